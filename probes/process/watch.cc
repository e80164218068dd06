// Waits on a pidfd.
#include "probes/process/watch.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <string>

namespace netpoll::probes {
namespace {

using Clock = std::chrono::steady_clock;

// What is left of a limit in ms (-1: none) that ends at `end`; never less than nothing.
int left_of(int timeout_ms, Clock::time_point end) {
  if (timeout_ms < 0) return -1;
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - Clock::now()).count();
  return left > 0 ? static_cast<int>(left) : 0;
}

}  // namespace

Result<bool> wait_readable(int fd, int timeout_ms, int stop_fd) {
  const auto end = Clock::now() + std::chrono::milliseconds(timeout_ms);
  pollfd fds[2] = {{fd, POLLIN, 0}, {stop_fd, POLLIN, 0}};
  for (int left = timeout_ms;; left = left_of(timeout_ms, end)) {
    const int n = ::poll(fds, 2, left);
    if (n >= 0) return (fds[0].revents & POLLIN) != 0;
    if (errno != EINTR) return posix_error("poll", errno);
  }
}

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
  auto ended = wait_readable(pidfd_.get(), timeout_ms, stop_fd);
  if (!ended) return ended;
  return !*ended;
}

bool ProcessWatch::alive() const {
  pollfd fd{pidfd_.get(), POLLIN, 0};
  return ::poll(&fd, 1, 0) == 0;
}

Result<ProcessWatches> ProcessWatches::open(std::span<const pid_t> pids) {
  ProcessWatches watches;
  watches.ended_.reset(::epoll_create1(EPOLL_CLOEXEC));
  if (!watches.ended_.valid()) return posix_error("epoll_create1", errno);
  for (const pid_t pid : pids) {
    auto watch = ProcessWatch::open(pid);
    if (!watch) return std::move(watch).error();
    epoll_event event{.events = EPOLLIN, .data = {.fd = pid}};
    if (::epoll_ctl(watches.ended_.get(), EPOLL_CTL_ADD, watch->fd(), &event) != 0) {
      return posix_error("epoll_ctl(pidfd)", errno);
    }
    watches.live_.insert_or_assign(pid, std::move(*watch));
  }
  return watches;
}

Result<bool> ProcessWatches::wait(int timeout_ms, int stop_fd) {
  const auto end = Clock::now() + std::chrono::milliseconds(timeout_ms);
  for (int left = timeout_ms;; left = left_of(timeout_ms, end)) {
    if (live_.empty()) return false;
    auto ended = wait_readable(ended_.get(), left, stop_fd);
    if (!ended) return ended;
    if (!*ended) return true;
    if (auto dropped = drop_ended(); !dropped) return std::move(dropped).error();
  }
}

Result<void> ProcessWatches::drop_ended() {
  epoll_event events[64];
  const int n = ::epoll_wait(ended_.get(), events, 64, 0);
  if (n < 0 && errno != EINTR) return posix_error("epoll_wait(pidfd)", errno);
  for (int i = 0; i < n; ++i) live_.erase(events[i].data.fd);  // closing it takes it out of the set
  return {};
}

}  // namespace netpoll::probes
