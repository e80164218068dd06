// WaitGroup: waits until a number of goroutines is done.
//
//   netpoll::WaitGroup group;
//   for (auto& part : parts) group.go([&part] { work(part); });
//   group.wait();
//
// Threads:   add() and done() from any thread, wait() in goroutines.
// Order:     what happened before a done() is visible after the wait() that it ends. A group may be used again when
//            wait() returned; add() from zero and wait() at the same time is a race of the caller.
// Shutdown:  wait() waits also while the Runtime shuts down with kCancel: the goroutines it waits for are
//            cancelled, end and say done(). That is what makes it safe to lend them references to the
//            waiter's stack.
// Bugs:      a count below zero is fatal. Once wait() returned the group may be destroyed, even if the
//            done() that ended it is only about to return.
#pragma once

#include <atomic>
#include <cstdint>
#include <utility>

#include "netpoll/go.h"
#include "netpoll/sync/detail/wait_queue.h"

namespace netpoll {

class WaitGroup {
 public:
  explicit WaitGroup(std::int32_t count = 0) { add(count); }
  WaitGroup(const WaitGroup&) = delete;
  WaitGroup& operator=(const WaitGroup&) = delete;

  // Adds n, which may be negative, to the count.
  void add(std::int32_t n);
  void done() { add(-1); }

  // Parks until the count is zero; returns at once if it is.
  void wait();

  // Starts f as a goroutine of the current Runtime which counts until it returned.
  template <typename F>
  void go(F&& f) {
    add(1);
    netpoll::go([this, f = std::forward<F>(f)]() mutable {
      f();
      done();
    });
  }

 private:
  void release_waiters();

  // count << 1 | "queue_ is not empty". The bit changes under queue_.lock only.
  std::atomic<std::int64_t> state_{0};
  sync::WaitQueue queue_;
};

}  // namespace netpoll
