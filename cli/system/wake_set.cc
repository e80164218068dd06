// An epoll instance that is readable when one of several descriptors is.
#include "cli/system/wake_set.h"

#include <sys/epoll.h>

#include <array>
#include <cerrno>

namespace netpoll::cli {

Result<WakeSet> WakeSet::create() {
  Fd epoll(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll.valid()) return posix_error("epoll_create1", errno);
  return WakeSet(std::move(epoll));
}

Result<void> WakeSet::add(int fd) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = fd;
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) return posix_error("epoll_ctl(add)", errno);
  return {};
}

Result<void> WakeSet::add_output(int fd) {
  epoll_event event{};  // EPOLLHUP and EPOLLERR are reported unasked
  event.data.fd = fd;
  // EPERM: a file; EBADF: it is closed, as writing will tell.
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0 && errno != EPERM && errno != EBADF) {
    return posix_error("epoll_ctl(add)", errno);
  }
  return {};
}

void WakeSet::remove(int fd) { ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr); }

Result<std::vector<int>> WakeSet::ready(int timeout_ms) const {
  std::array<epoll_event, 16> events{};
  const int n = ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), timeout_ms);
  std::vector<int> fds;
  if (n < 0 && errno != EINTR) return posix_error("epoll_wait", errno);
  for (int i = 0; i < n; ++i) fds.push_back(events[static_cast<std::size_t>(i)].data.fd);
  return fds;
}

}  // namespace netpoll::cli
