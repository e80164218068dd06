// Asks the kernel of FreeBSD or macOS about one of our own descriptors.
#include "libruntime/debug/descriptor.h"

#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "libruntime/base/system.h"
#include "libruntime/net/socket.h"

namespace netpoll::debug {

void describe_descriptor(trace::Goroutine& g) {
  if (!g.fd) return;
  const int fd = *g.fd;
  struct stat status {};
  if (::fstat(fd, &status) != 0) return;
  if (!S_ISSOCK(status.st_mode)) {
    g.kind = S_ISFIFO(status.st_mode) ? "pipe" : "other";
    return;
  }
  const Addr local = net::socket_name(fd);
  const bool stream = net::get_option(fd, SOL_SOCKET, SO_TYPE) == SOCK_STREAM;
  g.kind = !local.is_ip() ? "unix" : stream ? "tcp" : "udp";
  g.local = net::shown(local);
  g.peer = net::shown(net::peer_name(fd));
  if (net::get_option(fd, SOL_SOCKET, SO_ACCEPTCONN) != 0) {
    g.tcp_state = "LISTEN";
    return;
  }
  int queued = 0;
  if (::ioctl(fd, FIONREAD, &queued) == 0 && queued >= 0) g.recv_queue_bytes = static_cast<std::uint64_t>(queued);
}

}  // namespace netpoll::debug
