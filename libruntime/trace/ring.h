// ring.h: where tracepoints of one P go: exact counters, always; and, while rings are enabled, the last events.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>

#include "netpoll/trace/event.h"

namespace netpoll::trace {

// Counters of one writer: a P, or the threads that work without a P (shared: see lane.h). Read by anybody at any
// time, also from another process (debug/abi.h). One writer at a time, so an increment is a load and a store.
struct alignas(64) Counters {
  std::array<std::atomic<std::uint64_t>, kTpCount> count{};

  void add(Tp tp) {
    auto& counter = count[static_cast<std::size_t>(tp)];
    counter.store(counter.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  }
};

// A ring of Events that keeps the newest. One writer at a time, any number of readers, in this or another process:
// record i (from 1) is in slot (i - 1) % capacity; `head` is the number of the last one written. A reader that finds a
// slot's `sequence` differ from what it looks for was overtaken, and counts the difference as lost.
class Ring {
 public:
  explicit Ring(std::size_t capacity);  // a power of two

  void push(Event event);
  // Copies events with sequence > after to sink, tells it about gaps, and returns the last sequence seen.
  std::uint64_t read(std::uint64_t after, Sink& sink) const;
  std::size_t capacity() const { return mask_ + 1; }

 private:
  std::size_t mask_;
  std::unique_ptr<Event[]> slots_;
  std::atomic<std::uint64_t> head_{0};
};

}  // namespace netpoll::trace
