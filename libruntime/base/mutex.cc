// The slow paths of base::Mutex: spin, then sleep on the futex.
#include "netpoll/base/mutex.h"

#include <linux/futex.h>
#include <sched.h>
#include <time.h>

#include "libruntime/base/futex.h"
#include "libruntime/base/syscall.h"

namespace netpoll::base {

void futex_wait(std::atomic<std::uint32_t>& word, std::uint32_t expected, std::int64_t timeout_ns) {
  timespec timeout{};
  timespec* limit = nullptr;
  if (timeout_ns >= 0) {
    timeout.tv_sec = timeout_ns / 1'000'000'000;
    timeout.tv_nsec = timeout_ns % 1'000'000'000;
    limit = &timeout;
  }
  sys(SYS_futex, &word, FUTEX_WAIT_PRIVATE, expected, limit);
}

void futex_wake(std::atomic<std::uint32_t>& word, int count) { sys(SYS_futex, &word, FUTEX_WAKE_PRIVATE, count); }

void Mutex::lock_slow() {
  // A little patience first: the runtime's critical sections last tens of nanoseconds, a futex sleep microseconds.
  for (int spin = 0; spin < 64; ++spin) {
    if (state_.load(std::memory_order_relaxed) == 0 && try_lock()) return;
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
  }
  while (state_.exchange(2, std::memory_order_acquire) != 0) futex_wait(state_, 2);
}

void Mutex::unlock_slow() { futex_wake(state_); }

}  // namespace netpoll::base
