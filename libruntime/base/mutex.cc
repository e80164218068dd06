// The slow paths of base::Mutex: spin, then sleep on the futex.
#include "netpoll/base/mutex.h"

#include "libruntime/base/futex.h"

namespace netpoll::base {

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
