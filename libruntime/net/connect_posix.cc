// Non-blocking connect(2): begun before the registration, for an unconnected socket would be reported as hung up.
#include <sys/socket.h>

#include <cerrno>

#include "libruntime/net/connect.h"
#include "libruntime/net/socket.h"
#include "libruntime/net/sys.h"

namespace netpoll::net {

long start_connect(int fd, const Addr& address) {
  const long result = sys(SYS_connect, fd, address.data(), address.size());
  if (result == -EISCONN) return 0;
  // EINTR: the attempt goes on by itself (connect(2)).
  if (result == -EINPROGRESS || result == -EALREADY || result == -EINTR) return kConnectUnderWay;
  return result;
}

long finish_connect(NetFd& fd, const Addr&) {
  for (;;) {
    if (const long result = fd.wait_write(); result < 0) return result;
    int error = 0;
    socklen_t size = sizeof error;
    if (const long r = sys(SYS_getsockopt, fd.sysfd(), SOL_SOCKET, SO_ERROR, &error, &size); r < 0) return r;
    if (error == EINPROGRESS || error == EALREADY || error == EINTR) continue;
    if (error != 0 && error != EISCONN) return -error;
    // An event may be early and no error be set yet (golang.org/issue/14548); a peer is the proof.
    if (error == EISCONN || peer_name(fd.sysfd()).valid() || fd.kind() != FdKind::kTcp) return 0;
  }
}

}  // namespace netpoll::net
