// Both ends of a pipe as Files.
#include "netpoll/net/pipe.h"

#include <fcntl.h>
#include <sys/socket.h>

#include "libruntime/net/net_fd.h"
#include "libruntime/net/sys.h"

namespace netpoll {
namespace {

Result<std::pair<Conn, Conn>> make_pair(Fd first, net::FdKind first_kind, Fd second, net::FdKind second_kind) {
  auto a = net::NetFd::create(first, first_kind, Addr(), /*shared=*/false);
  if (!a) return std::move(a).error();
  Conn first_conn(*a);
  auto b = net::NetFd::create(second, second_kind, Addr(), /*shared=*/false);
  if (!b) return std::move(b).error();
  return std::pair(std::move(first_conn), Conn(*b));
}

}  // namespace

Result<std::pair<Conn, Conn>> pipe() {
  int fds[2];
  const long result = net::sys(SYS_pipe2, fds, O_NONBLOCK | O_CLOEXEC);
  if (result < 0) return posix_error("pipe", static_cast<int>(-result));
  return make_pair(Fd(fds[0]), net::FdKind::kPipe, Fd(fds[1]), net::FdKind::kWriteOnly);
}

Result<std::pair<Conn, Conn>> socket_pair() {
  int fds[2];
  const long result = net::sys(SYS_socketpair, AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds);
  if (result < 0) return posix_error("socketpair", static_cast<int>(-result));
  return make_pair(Fd(fds[0]), net::FdKind::kUnixStream, Fd(fds[1]), net::FdKind::kUnixStream);
}

}  // namespace netpoll
