// Mutex: mutual exclusion between goroutines. A goroutine that must wait parks; its thread runs others.
//
//   netpoll::Mutex mutex;
//   { std::lock_guard hold(mutex); ... }   // Lockable: lock_guard, unique_lock and scoped_lock work
//
// Threads:   goroutines only, of any Runtime. May be unlocked by another goroutine than the one that locked it, may be
//            held across anything that parks. Not recursive.
// Fairness:  Go's two modes (sync/mutex.go, "Mutex fairness"). Normally a running goroutine may overtake the parked
//            ones, because it has the CPU and they do not; a waiter that waited for more than 1 ms then claims the
//            mutex for the queue, which gets it hand to hand, in order, until it is empty or waits briefly again.
//            A waiter that is woken need not wait for the P of whoever unlocked: an idle one takes it.
// Cost:      one compare-and-swap to lock and one to unlock while nobody waits; see tests/bench/sync_bench.cc.
// Shutdown:  lock() waits also while the Runtime shuts down with kCancel: whoever holds the mutex is cancelled and
//            lets it go, and a lock() that could fail would have to be tested at every use.
// Bugs:      unlock() of an unlocked mutex is fatal. Destroy it when nobody is in lock(): a goroutine that got the
//            lock last may unlock and destroy, even if an unlock() elsewhere is only about to return.
#pragma once

#include <atomic>
#include <cstdint>

#include "netpoll/sync/detail/wait_queue.h"

namespace netpoll {

class Mutex {
 public:
  Mutex() = default;
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;

  void lock() {
    std::uint32_t free = 0;
    if (!state_.compare_exchange_strong(free, kLocked, std::memory_order_acquire, std::memory_order_relaxed)) {
      lock_slow();
    }
  }

  // Takes the mutex if that is possible at once. Callable from any thread.
  bool try_lock();

  void unlock() {
    std::uint32_t held = kLocked;
    if (!state_.compare_exchange_strong(held, 0, std::memory_order_release, std::memory_order_relaxed)) unlock_slow();
  }

 private:
  // Bits of state_. Each transition is one compare-and-swap, so a combination never shows half of a change.
  //   kLocked    somebody owns the mutex.
  //   kWaiters   queue_ is not empty. Changes under queue_.lock only.
  //   kWoken     a waiter was woken and did not try yet, so unlock() need not wake another one.
  //   kStarving  the mutex passes from the owner to queue_.head; nobody else may take it.
  static constexpr std::uint32_t kLocked = 1;
  static constexpr std::uint32_t kWaiters = 2;
  static constexpr std::uint32_t kWoken = 4;
  static constexpr std::uint32_t kStarving = 8;

  void lock_slow();
  void unlock_slow();

  std::atomic<std::uint32_t> state_{0};
  sync::WaitQueue queue_;
};

}  // namespace netpoll
