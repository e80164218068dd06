// Connects without blocking, in portions that the listen queue takes, and ends streams in order.
#include "cli/workload/load/connect.h"

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <string>

namespace netpoll::workload {
namespace {

constexpr std::uint64_t kBatch = 512;
// Ends of streams under way at once: each is two packets, and more of them than the loopback's queue holds
// (net.core.netdev_max_backlog, 1,000) are lost and sent again ever more slowly.
constexpr std::uint64_t kEndsAtOnce = 256;
constexpr std::int64_t kRetryNs = 1'000'000;
constexpr std::int64_t kSecond = 1'000'000'000;

int socket_error(int fd) {
  int error = 0;
  socklen_t size = sizeof(error);
  return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 ? error : errno;
}

Result<void> control(Session& session, int op, int fd, std::uint32_t events, std::uint64_t i) {
  epoll_event event{.events = events, .data = {.u64 = i}};
  if (epoll_ctl(session.epfd(), op, fd, &event) != 0) return posix_error("epoll_ctl", errno);
  return {};
}

// Starts connection i. True: it is under way (its end is told by EPOLLOUT). False: a Unix socket whose listen queue is
// full right now.
Result<bool> begin_connect(Session& session, std::uint64_t i, std::uint64_t source, int receive_buffer, Fd& out) {
  const Endpoint& endpoint = session.endpoint(i);
  auto fd = make_socket(endpoint, SOCK_STREAM, source, receive_buffer);
  if (!fd) return std::move(fd).error();
  if (connect(fd->get(), endpoint.data(), endpoint.size()) != 0 && errno != EINPROGRESS) {
    if (errno == EAGAIN) return false;
    return connect_error(endpoint, errno);
  }
  if (auto added = control(session, EPOLL_CTL_ADD, fd->get(), EPOLLOUT | EPOLLONESHOT, i); !added) {
    return std::move(added).error();
  }
  out = std::move(*fd);
  return true;
}

}  // namespace

Result<std::vector<Fd>> connect_all(Session& session, std::uint64_t count, std::uint32_t events, int receive_buffer) {
  std::vector<Fd> connections(count);
  const std::uint64_t per_source = ports_per_source();
  std::uint64_t begun = 0;
  std::uint64_t done = 0;
  std::int64_t last_progress = base::nanotime();
  while (done < count) {
    bool queue_full = false;
    while (begun < count && begun - done < kBatch && !queue_full) {
      // Source 0 leaves the choice to the kernel, as long as one address has ports enough.
      const std::uint64_t source = count > per_source ? begun / per_source + 1 : 0;
      auto under_way = begin_connect(session, begun, source, receive_buffer, connections[begun]);
      if (!under_way) return std::move(under_way).error();
      queue_full = !*under_way;
      if (!queue_full) ++begun;
    }
    const std::int64_t until = base::nanotime() + (queue_full ? kRetryNs : 100 * kRetryNs);
    for (const epoll_event& event : session.wait(until)) {
      const std::uint64_t i = event.data.u64;
      const int fd = connections[i].get();
      if (const int error = socket_error(fd); error != 0) return connect_error(session.endpoint(i), error);
      ++done;
      last_progress = base::nanotime();
    }
    if (session.stopping()) return Error(ErrorKind::kCanceled, "stopped while connecting");
    if (base::nanotime() - last_progress > session.patience_ns()) {
      return Error(ErrorKind::kTimeout, "connect " + session.endpoint(0).text() + ": " + std::to_string(done) + " of " +
                                            std::to_string(count) + " connections after " +
                                            std::to_string(session.patience_ns() / kSecond) + " s without a new one")
          .with_hint("does the server accept? its listen queue may be full");
    }
  }
  // Only now, since an armed connection reports at once that it can be written, and would be counted a second time.
  for (std::uint64_t i = 0; i < count; ++i) {
    if (auto armed = control(session, EPOLL_CTL_MOD, connections[i].get(), events, i); !armed) {
      return std::move(armed).error();
    }
  }
  return connections;
}

Result<void> finish_all(Session& session, const std::vector<Fd>& connections) {
  // Level-triggered from here on: an end of stream that came earlier must still be seen.
  std::uint64_t next = 0;
  std::uint64_t open = 0;
  const auto begin_some = [&]() -> Result<void> {
    for (; next < connections.size() && open < kEndsAtOnce; ++next) {
      const int fd = connections[next].get();
      if (fd < 0) continue;
      if (auto armed = control(session, EPOLL_CTL_MOD, fd, EPOLLIN | EPOLLRDHUP, next); !armed) return armed;
      if (shutdown(fd, SHUT_WR) != 0 && errno != ENOTCONN) return posix_error("shutdown", errno);
      ++open;
    }
    return {};
  };
  std::int64_t last_progress = base::nanotime();
  for (;;) {
    if (auto begun = begin_some(); !begun) return begun;
    if (open == 0) return {};
    for (const epoll_event& event : session.wait(base::nanotime() + 100 * kRetryNs)) {
      const std::uint64_t i = event.data.u64;
      if (i >= next) continue;  // what it has to say is said again once its end was sent
      char byte;
      const ssize_t n = read(connections[i].get(), &byte, 1);
      if (n < 0 && (errno == EAGAIN || errno == EINTR)) continue;
      if (n > 0) {
        return Error(ErrorKind::kProtocol, "connection " + std::to_string(i) + ": the server sent more than was asked");
      }
      if (n < 0) return posix_error("connection " + std::to_string(i) + ", waiting for its end", errno);
      epoll_ctl(session.epfd(), EPOLL_CTL_DEL, connections[i].get(), nullptr);
      --open;
      last_progress = base::nanotime();
    }
    // A server that is told to stop at the same time may close them all at once, or never: do not insist for long.
    if (base::nanotime() - last_progress > (session.stopping() ? kSecond : session.patience_ns())) {
      if (session.stopping()) return {};
      return Error(ErrorKind::kTimeout, std::to_string(open) + " of " + std::to_string(next) +
                                            " connections were not closed by the server after their end of stream")
          .with_hint("it lost the event: netpoll-trace snapshot shows who still waits");
    }
  }
}

}  // namespace netpoll::workload
