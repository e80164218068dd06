// Mutex: a 4-byte futex lock for the runtime's own short critical sections, and MutexLock, which holds one. Blocks the
// thread (the M), never parks a goroutine; must not be held across a context switch.
//
// Among the public headers because the objects of netpoll/sync contain one. What a Mutex guards says so
// (NETPOLL_GUARDED_BY), and clang checks it; libstdc++'s lock_guard carries no annotations, hence MutexLock.
#pragma once

#include <atomic>
#include <cstdint>

#include "netpoll/base/thread_annotations.h"

namespace netpoll::base {

class NETPOLL_CAPABILITY("mutex") Mutex {
 public:
  void lock() NETPOLL_ACQUIRE() {
    std::uint32_t expected = 0;
    if (!state_.compare_exchange_strong(expected, 1, std::memory_order_acquire, std::memory_order_relaxed)) lock_slow();
  }
  bool try_lock() NETPOLL_TRY_ACQUIRE(true) {
    std::uint32_t expected = 0;
    return state_.compare_exchange_strong(expected, 1, std::memory_order_acquire, std::memory_order_relaxed);
  }
  void unlock() NETPOLL_RELEASE() {
    if (state_.exchange(0, std::memory_order_release) == 2) unlock_slow();
  }
  // Tells clang what it cannot see: the caller holds this lock. Does nothing.
  void assert_held() const NETPOLL_ASSERT_HELD(this) {}

 private:
  void lock_slow() NETPOLL_ACQUIRE();
  void unlock_slow();

  std::atomic<std::uint32_t> state_{0};  // 0 free, 1 held, 2 held and somebody may sleep
};

class [[nodiscard]] NETPOLL_SCOPED_CAPABILITY MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) NETPOLL_ACQUIRE(mutex) : mutex_(mutex) { mutex_.lock(); }
  ~MutexLock() NETPOLL_RELEASE() { mutex_.unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex& mutex_;
};

}  // namespace netpoll::base
