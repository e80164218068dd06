// futex.h: sleep and wake on a 32-bit word (futex(2)), private to the process.
#pragma once

#include <atomic>
#include <cstdint>

namespace netpoll::base {

// Sleeps while *word == expected, until woken, at most timeout_ns (negative: without limit). May return early.
void futex_wait(std::atomic<std::uint32_t>& word, std::uint32_t expected, std::int64_t timeout_ns = -1);
void futex_wake(std::atomic<std::uint32_t>& word, int count = 1);

// Note: a one-shot event between two threads (Go: runtime/lock_futex.go, note). One thread sleeps; wake() before
// sleep() is not lost; clear() by the sleeper before it is used again.
class Note {
 public:
  void clear() { state_.store(0, std::memory_order_relaxed); }
  void wake() {
    if (state_.exchange(1, std::memory_order_acq_rel) == 0) futex_wake(state_);
  }
  void sleep() {
    while (state_.load(std::memory_order_acquire) == 0) futex_wait(state_, 0);
  }

 private:
  std::atomic<std::uint32_t> state_{0};
};

}  // namespace netpoll::base
