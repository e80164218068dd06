// strace -c -f as an independent witness of counts.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace netpoll::test {

struct StraceRow {
  std::uint64_t calls = 0;
  std::uint64_t errors = 0;
};

// What `strace -c -f argv` reports, by name of system call, of all that it saw. nullopt: strace is missing or may not
// trace here.
std::optional<std::map<std::string, StraceRow>> strace_counts(const std::vector<std::string>& argv);

}  // namespace netpoll::test
