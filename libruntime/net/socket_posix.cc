// Options of sockets that systems name differently; what an inherited descriptor is, and its flags.
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <string>

#include "libruntime/base/posix.h"
#include "libruntime/net/socket.h"
#include "libruntime/net/sys.h"

namespace netpoll::net {
namespace {

// Also of a socket without a name, whose Addr says nothing.
int family_of(int fd) {
  sockaddr_storage name{};
  socklen_t size = sizeof name;
  return sys(SYS_getsockname, fd, &name, &size) == 0 ? name.ss_family : AF_UNSPEC;
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
  struct stat status {};
  if (const long r = sys(SYS_fstat, fd, &status); r < 0) {
    return posix_error(context, static_cast<int>(-r));
  }
  const long flags = sys(SYS_fcntl, fd, F_GETFL);
  if (flags < 0) return posix_error(context, static_cast<int>(-flags));
  found.flags = static_cast<int>(flags);
  found.regular = S_ISREG(status.st_mode) || S_ISDIR(status.st_mode);
  found.socket = S_ISSOCK(status.st_mode);
  if (found.socket) {
    const int family = family_of(fd);
    found.type = get_option(fd, SOL_SOCKET, SO_TYPE);
    found.listening = get_option(fd, SOL_SOCKET, SO_ACCEPTCONN) != 0;
    found.unix_domain = family == AF_UNIX;
    found.tcp = (family == AF_INET || family == AF_INET6) && base::is_plain_tcp(fd);
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
