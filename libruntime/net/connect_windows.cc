// ConnectEx: an operation of the completion port, so it begins after the registration; and it wants a bound socket.
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>

#include "libruntime/net/connect.h"
#include "libruntime/net/socket.h"
#include "libruntime/net/sys.h"

namespace netpoll::net {

long start_connect(int fd, const Addr& address) {
  if (address.family() == AF_UNIX) return sys(SYS_connect, fd, address.data(), address.size());
  if (socket_name(fd).valid()) return kConnectUnderWay;  // bound by the caller
  sockaddr_storage any{};
  any.ss_family = static_cast<ADDRESS_FAMILY>(address.family());
  const int size = address.family() == AF_INET6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
  const long result = sys(SYS_bind, fd, &any, size);
  return result < 0 ? result : kConnectUnderWay;
}

long finish_connect(NetFd& fd, const Addr& address) { return fd.connect(address); }

}  // namespace netpoll::net
