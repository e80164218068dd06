// Sleep and wake on a word, on FreeBSD and macOS. They may leave something in errno, which no goroutine reads.
#include "libruntime/base/futex.h"

#include <sys/types.h>

#if defined(__APPLE__)
#include <climits>

// As the kernel has it (bsd/sys/ulock.h of XNU) and its C++ library uses it; the public names, os_sync_wait_on_address,
// are there since macOS 14.4 alone.
extern "C" int __ulock_wait2(std::uint32_t operation, void* address, std::uint64_t value, std::uint64_t timeout_ns,
                             std::uint64_t value2);
extern "C" int __ulock_wake(std::uint32_t operation, void* address, std::uint64_t wake_value);
#else
#include <sys/umtx.h>

#include <ctime>
#endif

namespace netpoll::base {

#if defined(__APPLE__)

namespace {
constexpr std::uint32_t kCompareAndWait = 1;
constexpr std::uint32_t kWakeAll = 0x100;
constexpr std::uint32_t kNoErrno = 0x0100'0000;
}  // namespace

void futex_wait(std::atomic<std::uint32_t>& word, std::uint32_t expected, std::int64_t timeout_ns) {
  if (timeout_ns == 0) return;  // there it means without limit
  const std::uint64_t limit = timeout_ns < 0 ? 0 : static_cast<std::uint64_t>(timeout_ns);
  __ulock_wait2(kCompareAndWait | kNoErrno, &word, expected, limit, 0);
}

void futex_wake(std::atomic<std::uint32_t>& word, int count) {
  __ulock_wake(kCompareAndWait | kNoErrno | (count > 1 ? kWakeAll : 0), &word, 0);
}

#else

// _umtx_op(2).
void futex_wait(std::atomic<std::uint32_t>& word, std::uint32_t expected, std::int64_t timeout_ns) {
  if (timeout_ns < 0) {
    ::_umtx_op(&word, UMTX_OP_WAIT_UINT_PRIVATE, expected, nullptr, nullptr);
    return;
  }
  _umtx_time limit{};  // relative, since no flag says otherwise
  limit._timeout.tv_sec = timeout_ns / 1'000'000'000;
  limit._timeout.tv_nsec = timeout_ns % 1'000'000'000;
  limit._clockid = CLOCK_MONOTONIC;
  ::_umtx_op(&word, UMTX_OP_WAIT_UINT_PRIVATE, expected, reinterpret_cast<void*>(sizeof limit), &limit);
}

void futex_wake(std::atomic<std::uint32_t>& word, int count) {
  ::_umtx_op(&word, UMTX_OP_WAKE_PRIVATE, static_cast<unsigned long>(count), nullptr, nullptr);
}

#endif

}  // namespace netpoll::base
