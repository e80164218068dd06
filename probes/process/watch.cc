#include "probes/process/watch.h"

#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <string>

namespace netpoll::probes {

Result<ProcessWatch> ProcessWatch::open(pid_t pid) {
  ProcessWatch watch;
  const std::string name = "pid " + std::to_string(pid);
  if (pid <= 0) return Error(ErrorKind::kInvalid, name + ": a process id is a positive number");
  const long fd = syscall(SYS_pidfd_open, pid, 0);
  if (fd < 0) {
    // EINVAL (ENOENT since Linux 6.13) is the kernel's answer for a thread that does not lead its process.
    if (errno == ESRCH || errno == EINVAL || errno == ENOENT) {
      return Error(ErrorKind::kNotFound, name + ": no such process").with_hint("it may have ended just now; see ps -e");
    }
    return posix_error("pidfd_open(" + name + ")", errno);
  }
  watch.pidfd_.reset(static_cast<int>(fd));
  if (!watch.alive()) {
    return Error(ErrorKind::kNotFound, name + ": the process has ended").with_hint("see ps -e for what runs");
  }
  return watch;
}

Result<bool> ProcessWatch::wait(int timeout_ms, int stop_fd) const {
  using Clock = std::chrono::steady_clock;
  const auto end = Clock::now() + std::chrono::milliseconds(timeout_ms);
  pollfd fds[2] = {{pidfd_.get(), POLLIN, 0}, {stop_fd, POLLIN, 0}};
  for (int left = timeout_ms;;) {
    const int n = ::poll(fds, 2, left);
    if (n >= 0) return (fds[0].revents & POLLIN) == 0;
    if (errno != EINTR) return posix_error("poll(pidfd)", errno);
    if (timeout_ms < 0) continue;
    const auto rest = std::chrono::duration_cast<std::chrono::milliseconds>(end - Clock::now()).count();
    if (rest <= 0) return true;
    left = static_cast<int>(rest);
  }
}

bool ProcessWatch::alive() const {
  pollfd fd{pidfd_.get(), POLLIN, 0};
  return ::poll(&fd, 1, 0) == 0;
}

}  // namespace netpoll::probes
