// Unwinds the stack of a goroutine from a copy of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "libruntime/symbols/code_map.h"

namespace netpoll::symbols {

struct Unwound {
  std::vector<std::uint64_t> pcs;  // innermost first; return addresses, but for `at_start` and `interrupted`
  // It has not run yet: the one address is where it will begin.
  bool at_start = false;
  // It runs: the first address is the instruction that comes next.
  bool interrupted = false;
  // Why the outermost function was not reached; static storage, empty: it was.
  std::string_view ends_early;
};

// stack: the bytes from the saved stack pointer sp upwards, as far as they were copied; whole: up to the stack's end.
// saved_frame: how the registers lie there (SavedFrame in netpoll/debug/abi.h). The bytes may be anything: every
// address is checked against them.
Unwound unwind(CodeMap& code, std::uint32_t saved_frame, std::uint64_t sp, std::span<const std::byte> stack,
               bool whole);

// The registers of a thread that runs a goroutine.
struct RunningRegisters {
  std::uint64_t pc = 0;
  std::uint64_t sp = 0;
  std::span<const std::pair<int, std::uint64_t>> others;  // by DWARF's numbers, as far as they are known
};
// The same for a goroutine that runs; stack: the bytes from registers.sp upwards. saved_frame tells the machine.
Unwound unwind_running(CodeMap& code, std::uint32_t saved_frame, const RunningRegisters& registers,
                       std::span<const std::byte> stack, bool whole);

}  // namespace netpoll::symbols
