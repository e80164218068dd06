// Cond: waits until another goroutine says that something which a Mutex guards has changed.
//
//   std::unique_lock hold(mutex);
//   while (items.empty()) {
//     if (auto waited = changed.wait(mutex); !waited) return waited;   // cancelled; the mutex is held
//   }
//
// Threads:   notify_one() and notify_all() from any thread, with the mutex held or not; wait() in goroutines that hold
//            the mutex. All concurrent waiters use the same mutex.
// Order:     wait() joins the queue before it unlocks, so no notification after a look at the condition is lost.
//            Notifications go to the goroutine that waits longest. There are no spurious wake-ups, but somebody else
//            may have had the mutex in between: look again.
// Errors:    wait() returns kCanceled when the Runtime shuts down with kCancel, wait_until() also kTimeout.
//            The mutex is held again in every case. A goroutine that timed out did not use up a
//            notification.
// Bugs:      destroy it when no call on it is running.
#pragma once

#include <chrono>
#include <cstdint>
#include <utility>

#include "netpoll/result.h"
#include "netpoll/sync/detail/wait_queue.h"
#include "netpoll/sync/mutex.h"

namespace netpoll {

class Cond {
 public:
  Cond() = default;
  Cond(const Cond&) = delete;
  Cond& operator=(const Cond&) = delete;

  Result<void> wait(Mutex& mutex);
  Result<void> wait_until(Mutex& mutex, std::chrono::steady_clock::time_point deadline);

  // Waits until holds() is true; it is called with the mutex held.
  template <typename Predicate>
  Result<void> wait(Mutex& mutex, Predicate holds) {
    while (!holds()) {
      if (auto waited = wait(mutex); !waited) return waited;
    }
    return {};
  }
  template <typename Predicate>
  Result<void> wait_until(Mutex& mutex, std::chrono::steady_clock::time_point deadline, Predicate holds) {
    while (!holds()) {
      if (auto waited = wait_until(mutex, deadline); !waited) return holds() ? Result<void>() : std::move(waited);
    }
    return {};
  }

  void notify_one();
  void notify_all();

 private:
  Result<void> wait_ns(Mutex& mutex, std::int64_t deadline);

  sync::WaitQueue queue_;
};

}  // namespace netpoll
