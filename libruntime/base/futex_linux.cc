// Sleep and wake by futex(2).
#include "libruntime/base/futex.h"

#include <linux/futex.h>
#include <time.h>

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

}  // namespace netpoll::base
