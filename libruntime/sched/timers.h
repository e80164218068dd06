// timers.h: one binary-heap-of-four of timers per P.
//
// A HeapTimer is memory of its owner (a G, a PollDesc, a sync object's stack frame). Its callback gets two words copied
// out of the timer under the heap's lock and never sees the HeapTimer itself, so the owner may free the HeapTimer as
// soon as stop() returned, even if the callback runs at that moment elsewhere. Whatever the words refer to must
// therefore be type-stable (G, PollDesc) and versioned (WaitHandle::generation, PollDesc sequence).
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "netpoll/base/mutex.h"

namespace netpoll::sched {

class TimerHeap;

struct HeapTimer {
  using Callback = void (*)(void* arg, std::uint64_t seq);
  std::int64_t when = 0;  // CLOCK_MONOTONIC ns
  Callback callback = nullptr;
  void* arg = nullptr;
  std::uint64_t seq = 0;
  std::atomic<TimerHeap*> heap{nullptr};  // where it is queued; null when idle
  std::uint32_t index = 0;                // position in that heap, guarded by its lock
};

// The time of no timer. One that is set to it is a timer all the same, and due a nanosecond earlier.
inline constexpr std::int64_t kNoTimer = INT64_MAX;

// The timers of one P. Thread-safe: any thread may stop or run them.
class TimerHeap {
 public:
  // Adds an idle timer. Returns true when it became the earliest one of this heap.
  bool add(HeapTimer& timer);
  // Removes timer if it is queued here. Returns whether it was (false: it fired or was never started).
  bool remove(HeapTimer& timer);
  // Runs the callbacks, without the lock, of every timer with when <= now. Returns how many ran.
  std::size_t run(std::int64_t now);
  // The earliest `when`, or kNoTimer. One load, without the lock.
  std::int64_t earliest() const { return earliest_.load(std::memory_order_acquire); }
  std::size_t size() const;

 private:
  void sift_up(std::size_t i) NETPOLL_REQUIRES(mutex_);
  void sift_down(std::size_t i) NETPOLL_REQUIRES(mutex_);
  void remove_at(std::size_t i) NETPOLL_REQUIRES(mutex_);
  void publish_earliest() NETPOLL_REQUIRES(mutex_);

  // The time stands beside the pointer: a heap of thousands is sorted without a look at timers all over the memory.
  struct Entry {
    std::int64_t when;
    HeapTimer* timer;
  };
  void place(std::size_t i, Entry entry) NETPOLL_REQUIRES(mutex_);

  mutable base::Mutex mutex_;
  std::vector<Entry> heap_ NETPOLL_GUARDED_BY(mutex_);  // 4-ary
  std::atomic<std::int64_t> earliest_{kNoTimer};
};

// Starts an idle, filled-in timer (Scheduler::start_timer of the calling goroutine's scheduler or of `scheduler`).
class Scheduler;
void start_timer(Scheduler& scheduler, HeapTimer& timer);
// Returns whether the callback was prevented; if not it has run, runs right now, or the timer was never started.
bool stop_timer(HeapTimer& timer);

}  // namespace netpoll::sched
