// The text of runtime.Stack and debug/pprof/goroutine?debug=2, taken apart: an independent account of a Go program's
// goroutines.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace netpoll::test {

struct DumpFrame {
  std::string function;
  std::string file;
  int line = 0;

  bool operator==(const DumpFrame&) const = default;
};

struct DumpGoroutine {
  std::string state;  // "IO wait", "chan receive", "syscall"
  bool locked = false;
  std::vector<DumpFrame> stack;  // innermost first
  std::optional<DumpFrame> created_by;
  std::optional<std::uint64_t> parent;  // Go 1.21 and later
};

// By goid.
std::map<std::uint64_t, DumpGoroutine> parse_dump(std::string_view text);

}  // namespace netpoll::test
