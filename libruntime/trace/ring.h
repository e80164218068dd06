// ring.h: where tracepoints of one P go: exact counters, always; and, while somebody asks for it, the last events.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "netpoll/debug/abi.h"
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

// Until when tracepoints of this process are written to rings, in ns of CLOCK_MONOTONIC; 0: they are not. Another
// process sets it (debug/abi.h, DebugRuntime::record_until), so a reader that dies is soon forgotten.
extern std::atomic<std::uint64_t> record_until;

// A ring of Events that keeps the newest, for readers in other processes (debug/abi.h, RingHeader, says how they read).
// One writer at a time. Its memory is reserved at once and taken by the page as it is first written.
class alignas(64) Ring {
 public:
  static constexpr std::size_t kCapacity = 1 << 15;  // at a million events a second, a reader has 32 ms

  Ring();
  ~Ring();
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;

  void push(Event event);

  // What the debug ABI publishes; the first member, so that rings side by side are headers at sizeof(Ring).
  const debug::RingHeader& header() const { return header_; }

 private:
  debug::RingHeader header_{};
  Event* slots_ = nullptr;  // null where the address space had no room: then nothing is kept
};

}  // namespace netpoll::trace
