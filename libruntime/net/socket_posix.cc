// Options of sockets that systems name differently; what an inherited descriptor is, and its flags.
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <string>

#include "libruntime/net/socket.h"
#include "libruntime/net/sys.h"

namespace netpoll::net {
namespace {

// Kernel TLS and other upper layer protocols turn the stream into records (include/uapi/linux/tcp.h: TCP_ULP).
bool has_upper_layer(int fd) {
  char name[16] = {};
  socklen_t size = sizeof name;
  return sys(SYS_getsockopt, fd, IPPROTO_TCP, TCP_ULP, name, &size) == 0 && size > 0 && name[0] != '\0';
}

}  // namespace

Result<void> keep_address(const char* operation, const Addr& address, int fd) {
  return set_option(operation, address, fd, SOL_SOCKET, SO_REUSEADDR, 1, "SO_REUSEADDR");
}

Result<void> share_port(const char* operation, const Addr& address, int fd) {
  return set_option(operation, address, fd, SOL_SOCKET, SO_REUSEPORT, 1, "SO_REUSEPORT");
}

Result<Adopted> inspect(int fd) {
  const std::string context = "adopt fd " + std::to_string(fd);
  Adopted found;
  struct statx status {};
  if (const long r = sys(SYS_statx, fd, "", AT_EMPTY_PATH, STATX_TYPE, &status); r < 0) {
    return posix_error(context, static_cast<int>(-r));
  }
  const long flags = sys(SYS_fcntl, fd, F_GETFL);
  if (flags < 0) return posix_error(context, static_cast<int>(-flags));
  found.flags = static_cast<int>(flags);
  found.regular = S_ISREG(status.stx_mode) || S_ISDIR(status.stx_mode);
  found.socket = S_ISSOCK(status.stx_mode);
  if (found.socket) {
    const int domain = get_option(fd, SOL_SOCKET, SO_DOMAIN);
    found.type = get_option(fd, SOL_SOCKET, SO_TYPE);
    found.listening = get_option(fd, SOL_SOCKET, SO_ACCEPTCONN) != 0;
    found.unix_domain = domain == AF_UNIX;
    found.tcp = (domain == AF_INET || domain == AF_INET6) && get_option(fd, SOL_SOCKET, SO_PROTOCOL) == IPPROTO_TCP &&
                !has_upper_layer(fd);
  }
  return found;
}

Result<void> make_nonblocking(int fd, const Adopted& found) {
  if (found.flags & O_NONBLOCK) return {};
  const long result = sys(SYS_fcntl, fd, F_SETFL, found.flags | O_NONBLOCK);
  if (result < 0) return posix_error("set O_NONBLOCK on fd " + std::to_string(fd), static_cast<int>(-result));
  return {};
}

void restore_flags(int fd, const Adopted& found) {
  if ((found.flags & O_NONBLOCK) == 0) sys(SYS_fcntl, fd, F_SETFL, found.flags);
}

void unlink_path(const Addr& address) {
  const std::string path = address.unix_path();
  if (!path.empty()) sys(SYS_unlinkat, AT_FDCWD, path.c_str(), 0);
}

}  // namespace netpoll::net
