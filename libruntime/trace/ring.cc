// A ring of events whose writer never waits.
#include "libruntime/trace/ring.h"

#include "libruntime/base/system.h"

namespace netpoll::trace {
namespace {

constexpr std::size_t kBytes = Ring::kCapacity * sizeof(Event);

// Word by word with atomic accesses: a reader may look meanwhile, and throws torn records away.
void store_relaxed(Event& to, const Event& from) {
  auto* target = reinterpret_cast<std::uint64_t*>(&to);
  const auto* source = reinterpret_cast<const std::uint64_t*>(&from);
  for (std::size_t i = 0; i < sizeof(Event) / sizeof(std::uint64_t); ++i) {
    __atomic_store_n(target + i, source[i], __ATOMIC_RELAXED);
  }
}

}  // namespace

std::atomic<std::uint64_t> record_until{0};

Ring::Ring() {
  void* memory = base::map_lazily(kBytes);
  if (memory == nullptr) return;
  slots_ = static_cast<Event*>(memory);
  header_.slots = reinterpret_cast<std::uint64_t>(memory);
  header_.capacity = kCapacity;
  header_.event_size = sizeof(Event);
}

Ring::~Ring() {
  if (slots_ != nullptr) base::unmap(slots_, kBytes);
}

void Ring::push(Event event) {
  if (slots_ == nullptr) return;
  const std::uint64_t sequence = __atomic_load_n(&header_.head, __ATOMIC_RELAXED) + 1;
  Event& slot = slots_[(sequence - 1) & (kCapacity - 1)];
  // Invalidate, write, publish. The exchange keeps the writes behind it and behind the head of the previous event, by
  // which a reader knows which slots may be under its hands.
  __atomic_exchange_n(&slot.sequence, 0, __ATOMIC_ACQ_REL);
  event.sequence = 0;
  store_relaxed(slot, event);
  __atomic_store_n(&slot.sequence, sequence, __ATOMIC_RELEASE);
  __atomic_store_n(&header_.head, sequence, __ATOMIC_RELEASE);
}

}  // namespace netpoll::trace
