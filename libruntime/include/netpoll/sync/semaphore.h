// Semaphore: a number of permits that goroutines take and give back.
//
//   netpoll::Semaphore slots(16);
//   if (auto got = slots.acquire(); !got) return got;
//   ... at most 16 goroutines are here ...
//   slots.release();
//
// Threads:   release() and try_acquire() from any thread, acquire() in goroutines of any Runtime.
// Fairness:  strictly first come, first served. A request for many permits is not overtaken by later small ones, and
//            try_acquire() does not overtake anybody.
// Errors:    acquire() returns kCanceled when the Runtime shuts down with kCancel, acquire_until() also kTimeout; then
//            nothing was taken. A deadline in the past still takes what is there.
// Limits:    0 to INT64_MAX permits; more, by release(), or fewer, in the constructor, are fatal.
// Bugs:      n <= 0 is fatal. Destroy it when nobody is in acquire(): a goroutine whose acquire() returned last may
//            destroy, even if the release() that served it is only about to return.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

#include "netpoll/result.h"
#include "netpoll/sync/detail/wait_queue.h"

namespace netpoll {

class Semaphore {
 public:
  explicit Semaphore(std::int64_t permits);
  Semaphore(const Semaphore&) = delete;
  Semaphore& operator=(const Semaphore&) = delete;

  Result<void> acquire(std::int64_t n = 1);
  Result<void> acquire_until(std::chrono::steady_clock::time_point deadline, std::int64_t n = 1);
  bool try_acquire(std::int64_t n = 1);
  void release(std::int64_t n = 1);

  // Permits there are right now; stale when it arrives.
  std::int64_t available() const { return permits_in(state_.load(std::memory_order_relaxed)); }

 private:
  Result<void> acquire_slow(std::int64_t n, std::int64_t deadline);
  void release_slow(std::int64_t n);
  void grant_locked(std::int64_t permits) NETPOLL_REQUIRES(queue_.lock);

  static std::int64_t permits_in(std::uint64_t state) { return static_cast<std::int64_t>(state >> 1); }

  // permits << 1 | "queue_ is not empty": 63 bits for the permits. The bit changes under queue_.lock only, and while it
  // is set the permits do too.
  std::atomic<std::uint64_t> state_;
  sync::WaitQueue queue_;
};

}  // namespace netpoll
