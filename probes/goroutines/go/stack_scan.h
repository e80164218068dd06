// The second way from a goroutine in IO wait to its descriptor: its stack holds a pointer to the half of the pollDesc
// that it waits in, which runtime.netpollblock was called for. It needs no help from the kernel, and works on a core.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "probes/goroutines/go/go_g.h"
#include "probes/goroutines/go/layout.h"
#include "probes/goroutines/go/poll_descs.h"
#include "probes/process/memory.h"

namespace netpoll::probes {

// A goroutine in IO wait, with a copy of its stack from sp on.
struct StackOfWaiter {
  const GoG* g = nullptr;
  Bytes stack;
  bool in_netpollblock = false;  // by its call chain
};

class StackScan {
 public:
  StackScan(Memory& memory, const PollDescLayout& layout) : memory_(memory), layout_(layout) {}

  // In the order of waiters; nothing where no pointer could be proved.
  std::vector<std::optional<PollWait>> find(std::span<const StackOfWaiter> waiters);

 private:
  std::vector<std::optional<PollWait>> find_at(std::span<const StackOfWaiter> waiters, std::uint64_t offset);
  std::optional<PollWait> search(const StackOfWaiter& waiter);

  Memory& memory_;
  const PollDescLayout& layout_;
  // Where it was found last. It is the same for all of a program's goroutines, so that one batch finds most.
  std::optional<std::uint64_t> offset_;
};

}  // namespace netpoll::probes
