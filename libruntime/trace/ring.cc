// A ring of events whose writer never waits, and its reader.
#include "libruntime/trace/ring.h"

#include <algorithm>

namespace netpoll::trace {
namespace {

// Event copied word by word with atomic accesses: the reader may race with the writer and throws torn records away.
constexpr std::size_t kWords = sizeof(Event) / sizeof(std::uint64_t);

void store_relaxed(Event& to, const Event& from) {
  auto* target = reinterpret_cast<std::uint64_t*>(&to);
  const auto* source = reinterpret_cast<const std::uint64_t*>(&from);
  for (std::size_t i = 0; i < kWords; ++i) __atomic_store_n(target + i, source[i], __ATOMIC_RELAXED);
}

Event load_relaxed(const Event& from) {
  Event event;
  auto* target = reinterpret_cast<std::uint64_t*>(&event);
  const auto* source = reinterpret_cast<const std::uint64_t*>(&from);
  for (std::size_t i = 0; i < kWords; ++i) target[i] = __atomic_load_n(source + i, __ATOMIC_ACQUIRE);
  return event;
}

}  // namespace

Ring::Ring(std::size_t capacity) : mask_(capacity - 1), slots_(std::make_unique<Event[]>(capacity)) {}

void Ring::push(Event event) {
  const std::uint64_t sequence = head_.load(std::memory_order_relaxed) + 1;
  Event& slot = slots_[(sequence - 1) & mask_];
  // Seqlock order: invalidate, write, publish. The exchange keeps the writes behind it, and the reader's acquiring
  // loads keep its second look at `sequence` behind the copy; fences would do the same but ThreadSanitizer cannot see
  // them.
  __atomic_exchange_n(&slot.sequence, 0, __ATOMIC_ACQ_REL);
  event.sequence = 0;
  store_relaxed(slot, event);
  __atomic_store_n(&slot.sequence, sequence, __ATOMIC_RELEASE);
  head_.store(sequence, std::memory_order_release);
}

std::uint64_t Ring::read(std::uint64_t after, Sink& sink) const {
  const std::uint64_t head = head_.load(std::memory_order_acquire);
  std::uint64_t next = after + 1;
  if (head >= capacity() && next + capacity() <= head) {
    const std::uint64_t oldest = head - capacity() + 1;
    sink.lost(oldest - next);
    next = oldest;
  }
  for (; next <= head; ++next) {
    const Event& slot = slots_[(next - 1) & mask_];
    const std::uint64_t before = __atomic_load_n(&slot.sequence, __ATOMIC_ACQUIRE);
    Event event = load_relaxed(slot);
    if (before != next || __atomic_load_n(&slot.sequence, __ATOMIC_RELAXED) != next) {
      sink.lost(1);
      continue;
    }
    event.sequence = next;
    sink.event(event);
  }
  return std::max(after, head);
}

}  // namespace netpoll::trace
