// stack_namer.h: how the goroutines of a program's own snapshot get their stacks.
//
// Not part of the runtime, for it takes libraries that a runtime should not need: netpoll::debug brings it
// (libruntime/symbols/own_stacks.cc).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "netpoll/debug/abi.h"
#include "netpoll/trace/goroutine.h"

namespace netpoll::trace {

// What there is to know of the code that a goroutine runs.
struct StackCopy {
  std::uint64_t start_pc = 0;
  std::uint64_t created_pc = 0;
  std::uint64_t sp = 0;                                         // 0: it runs, and its stack is not to be had
  std::span<const std::byte> bytes{};                           // from sp up to the end of its stack
  debug::SavedFrame saved_frame = debug::SavedFrame::kUnknown;  // how its registers lie at sp
  bool at_rest = false;  // it has no stack, and will begin anew (when_readable.h)
};

// Gives the goroutines of one snapshot their stacks, and addresses their names.
class StackNamer {
 public:
  virtual ~StackNamer() = default;
  virtual void add(Goroutine& g, const StackCopy& copy) = 0;
};

}  // namespace netpoll::trace

// A namer for a snapshot, which outlives it; the caller's. Only programs that link netpoll::debug have the function:
// who calls it refers to it weakly.
extern "C" netpoll::trace::StackNamer* netpoll_debug_make_stack_namer(netpoll::trace::GoroutineSnapshot& snapshot);
