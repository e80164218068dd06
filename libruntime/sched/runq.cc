// The slow paths of a run queue: half of it to the global queue, half of it to a thief.
#include "libruntime/sched/runq.h"

namespace netpoll::sched {

G* RunQueue::steal_from(RunQueue& victim, bool take_next) {
  const std::uint32_t my_tail = tail_.load(std::memory_order_relaxed);
  for (;;) {
    std::uint32_t head = victim.head_.load(std::memory_order_acquire);
    const std::uint32_t tail = victim.tail_.load(std::memory_order_acquire);
    std::uint32_t count = tail - head;
    count -= count / 2;
    if (count == 0) {
      if (!take_next) return nullptr;
      G* next = victim.next_.load(std::memory_order_acquire);
      if (next == nullptr) return nullptr;
      if (victim.next_.compare_exchange_strong(next, nullptr, std::memory_order_acq_rel)) return next;
      continue;
    }
    // head and tail were not read at one instant; an impossible distance says so.
    if (count > kCapacity / 2) continue;
    for (std::uint32_t i = 0; i < count; ++i) {
      G* g = victim.slots_[(head + i) % kCapacity].load(std::memory_order_relaxed);
      slots_[(my_tail + i) % kCapacity].store(g, std::memory_order_relaxed);
    }
    if (!victim.head_.compare_exchange_strong(head, head + count, std::memory_order_acq_rel)) continue;
    // The last of the batch runs now; the others become ours by moving the tail.
    G* g = slots_[(my_tail + count - 1) % kCapacity].load(std::memory_order_relaxed);
    if (count > 1) tail_.store(my_tail + count - 1, std::memory_order_release);
    return g;
  }
}

}  // namespace netpoll::sched
