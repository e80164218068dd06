// The fourth argument of both calls is the timeout (epoll_wait(2)).
#include "probes/ptrace/timed_wait.h"

#include <sys/syscall.h>

#include <algorithm>

#include "libruntime/base/clock.h"
#include "probes/ptrace/arch.h"

namespace netpoll::probes {
namespace {

constexpr std::size_t kTimeout = 3;
constexpr std::int64_t kMs = 1'000'000;

bool has_timeout(long number) {
#ifdef SYS_epoll_wait
  if (number == SYS_epoll_wait) return true;
#endif
  return number == SYS_epoll_pwait;
}

}  // namespace

std::optional<TimedWait> TimedWait::of(long number, const std::array<std::uint64_t, 6>& args) {
  const auto ms = static_cast<std::int32_t>(args[kTimeout]);
  if (!has_timeout(number) || ms <= 0) return std::nullopt;
  return TimedWait(args[kTimeout], base::nanotime() + ms * kMs);
}

void TimedWait::shorten(pid_t tid) {
  const std::int64_t left = std::max<std::int64_t>(0, deadline_ns_ - base::nanotime());
  changed_ = set_argument(tid, kTimeout, static_cast<std::uint64_t>((left + kMs - 1) / kMs));
}

void TimedWait::put_back(pid_t tid) {
  if (changed_) set_argument(tid, kTimeout, timeout_);
  changed_ = false;
}

}  // namespace netpoll::probes
