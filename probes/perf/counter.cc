// perf_event_open, its errors, and the closing that nobody waits for.
#include "probes/perf/counter.h"

#include <linux/close_range.h>
#include <linux/perf_event.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <fstream>

namespace netpoll::probes {
namespace {

Error not_opened(int error) {
  if (error == EMFILE || error == ENFILE) {
    return posix_error("perf_event_open", error).with_hint("each counter is an open file: ulimit -n 1024");
  }
  if (error == EINVAL || error == ENOENT) {  // EINVAL: perf_trace_init() of kernel/trace/trace_event_perf.c
    return Error(ErrorKind::kNotFound, "perf_event_open knows no tracepoint of this id", error)
        .with_hint("sudo netpoll-trace doctor --learn");
  }
  if (error != EACCES && error != EPERM) return posix_error("perf_event_open", error);
  int paranoid = 0;
  std::ifstream("/proc/sys/kernel/perf_event_paranoid") >> paranoid;
  if (paranoid <= 2) {
    return posix_error("perf_event_open", error)
        .with_hint("a container's seccomp filter: docker run --cap-add PERFMON");
  }
  return posix_error("perf_event_open, with kernel.perf_event_paranoid at " + std::to_string(paranoid), error)
      .with_hint("sudo sysctl kernel.perf_event_paranoid=2");
}

// In the child of a process that may have had other threads: async-signal-safe calls alone.
[[noreturn]] void hold_and_close(const std::vector<int>& fds) {
  ::setsid();
  // Ours are all that is left, and go with the process. Nobody is to wait for the others' end because of us.
  unsigned first = 0;
  for (const int fd : fds) {
    if (static_cast<unsigned>(fd) > first) ::syscall(SYS_close_range, first, static_cast<unsigned>(fd) - 1, 0U);
    first = static_cast<unsigned>(fd) + 1;
  }
  ::syscall(SYS_close_range, first, ~0U, 0U);
  // The kernel opens no event while it closes one. A measurement that follows within this second finds its tracepoints
  // in use, opens at once, and makes our closing a matter of microseconds.
  const timespec linger{.tv_sec = 1, .tv_nsec = 0};
  ::nanosleep(&linger, nullptr);
  ::_exit(0);
}

}  // namespace

Result<PerfCounter> PerfCounter::open(std::uint64_t id, const std::string& filter, PerfScope scope, pid_t pid) {
  perf_event_attr attr{};
  attr.size = sizeof(attr);
  attr.type = PERF_TYPE_TRACEPOINT;
  attr.config = id;
  attr.disabled = 1;
  attr.exclude_kernel = 1;
  if (scope != PerfScope::kThread) {
    attr.enable_on_exec = 1;
    attr.inherit = 1;
    attr.inherit_thread = scope == PerfScope::kProcessAtExec ? 1 : 0;
  }
  const pid_t whom = scope == PerfScope::kThread ? 0 : pid;
  Fd fd(static_cast<int>(::syscall(SYS_perf_event_open, &attr, whom, -1, -1, PERF_FLAG_FD_CLOEXEC)));
  if (!fd.valid()) return not_opened(errno);
  if (!filter.empty() && ::ioctl(fd.get(), PERF_EVENT_IOC_SET_FILTER, filter.c_str()) != 0) {
    return posix_error("perf filter '" + filter + "'", errno);
  }
  return PerfCounter(std::move(fd));
}

Result<std::uint64_t> PerfCounter::read() const {
  std::uint64_t count = 0;
  const ssize_t n = ::read(fd_.get(), &count, sizeof(count));
  if (n == static_cast<ssize_t>(sizeof(count))) return count;
  return posix_error("read a perf counter", n < 0 ? errno : EIO);
}

void PerfCounter::enable() const { ::ioctl(fd_.get(), PERF_EVENT_IOC_ENABLE, 0); }
void PerfCounter::disable() const { ::ioctl(fd_.get(), PERF_EVENT_IOC_DISABLE, 0); }

void close_in_background(std::vector<PerfCounter> counters) {
  if (counters.empty()) return;
  std::vector<Fd> owners;
  std::vector<int> fds;
  for (PerfCounter& counter : counters) {
    counter.disable();
    owners.push_back(std::move(counter).take());
    fds.push_back(owners.back().get());
  }
  std::sort(fds.begin(), fds.end());
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);  // a handler of ours must not run in the child
  const pid_t middle = ::fork();
  if (middle == 0) {
    const pid_t holder = ::fork();
    if (holder == 0) hold_and_close(fds);
    ::_exit(0);
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  // The one in the middle makes the other an orphan, which init reaps.
  while (middle > 0 && ::waitpid(middle, nullptr, 0) < 0 && errno == EINTR) {
  }
}

}  // namespace netpoll::probes
