// Asks Winsock about one of our own descriptors.
#include <netinet/in.h>

#include "libruntime/debug/descriptor.h"
#include "libruntime/net/socket.h"
#include "netpoll/net/addr.h"

namespace netpoll::debug {
void describe_descriptor(trace::Goroutine& g) {
  if (!g.fd) return;
  const auto socket = static_cast<SOCKET>(*g.fd);
  int type = 0;
  int size = sizeof type;
  if (getsockopt(socket, SOL_SOCKET, SO_TYPE, reinterpret_cast<char*>(&type), &size) != 0) {
    g.kind = "other";
    return;
  }
  const Addr local = net::socket_name(*g.fd);
  g.kind = local.family() == AF_UNIX ? "unix" : type == SOCK_STREAM ? "tcp" : "udp";
  g.local = net::shown(local);
  g.peer = net::shown(net::peer_name(*g.fd));
  u_long queued = 0;
  if (ioctlsocket(socket, FIONREAD, &queued) == 0) g.recv_queue_bytes = queued;
  BOOL listening = 0;
  size = sizeof listening;
  if (getsockopt(socket, SOL_SOCKET, SO_ACCEPTCONN, reinterpret_cast<char*>(&listening), &size) == 0 &&
      listening != 0) {
    g.tcp_state = "LISTEN";
    g.recv_queue_bytes.reset();
  }
}

}  // namespace netpoll::debug
