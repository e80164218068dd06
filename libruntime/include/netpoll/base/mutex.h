// Mutex: a 4-byte futex lock for the runtime's own short critical sections. Blocks the thread (the M), never parks a
// goroutine; must not be held across a context switch. Satisfies Lockable (std::lock_guard works).
#pragma once

#include <atomic>
#include <cstdint>

namespace netpoll::base {

class Mutex {
 public:
  void lock() {
    std::uint32_t expected = 0;
    if (!state_.compare_exchange_strong(expected, 1, std::memory_order_acquire, std::memory_order_relaxed)) lock_slow();
  }
  bool try_lock() {
    std::uint32_t expected = 0;
    return state_.compare_exchange_strong(expected, 1, std::memory_order_acquire, std::memory_order_relaxed);
  }
  void unlock() {
    if (state_.exchange(0, std::memory_order_release) == 2) unlock_slow();
  }

 private:
  void lock_slow();
  void unlock_slow();

  std::atomic<std::uint32_t> state_{0};  // 0 free, 1 held, 2 held and somebody may sleep
};

}  // namespace netpoll::base
