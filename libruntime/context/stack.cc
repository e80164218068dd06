// What stacks are on every system: slots of a slab, and what may be seen below an end.
#include "libruntime/context/stack.h"

#include "libruntime/context/stack_memory.h"

namespace netpoll::context {

StackSlab StackSlab::map(std::size_t count, std::size_t usable) {
  StackSlab slab;
  const std::size_t page = page_size();
  slab.count_ = count;
  slab.slot_ = (usable + page - 1) / page * page + kGuardSize;
  slab.base_ = map_stacks(count * slab.slot_);
  return slab;
}

// By word, since no sanitizer and no library may take part: red zones and shadows know nothing of this memory.
__attribute__((no_sanitize("address", "thread"))) bool stack_overflowed(const Stack& stack) {
  const auto* end = static_cast<const std::uint64_t*>(stack.lo);
  std::uint64_t seen = 0;
  for (std::size_t i = 1; i <= kCheckedSize / sizeof(std::uint64_t); ++i) seen |= *(end - i);
  return seen != 0;
}

void stack_trim(const Stack& stack) {
  auto* lo = static_cast<char*>(stack.lo);
  forget_pages(lo, static_cast<std::size_t>(static_cast<char*>(stack.hi) - lo));
}

}  // namespace netpoll::context
