// Options of sockets as Windows names them; what a handle from elsewhere is: a socket or an end of a pipe for
// overlapped calls, which a completion port takes, or something else, which it need not.
#include <sys/socket.h>
#include <sys/un.h>

#include <fcntl.h>

#include <cerrno>
#include <string>

#include "libruntime/base/wide.h"
#include "libruntime/base/winsock_error.h"
#include "libruntime/net/handle_windows.h"
#include "libruntime/net/socket.h"
#include "libruntime/net/sys.h"
#include "netpoll/go.h"

namespace netpoll::net {
// SO_REUSEADDR would let anybody take the port over; what lingers is in nobody's way here.
Result<void> keep_address(const char* operation, const Addr& address, int fd) {
  return set_option(operation, address, fd, SOL_SOCKET, SO_EXCLUSIVEADDRUSE, 1, "SO_EXCLUSIVEADDRUSE");
}

Result<void> share_port(const char* operation, const Addr& address, int) {
  return Error(ErrorKind::kNotSupported, std::string(operation) + " " + address.str() + ": SO_REUSEPORT")
      .with_hint("on Windows one socket has a port; let several goroutines accept from it");
}

namespace {

// Of a handle that is no socket. These questions wait for a call that blocks on the same handle.
Result<Adopted> inspect_file(const std::string& context, int fd) {
  const DWORD type = GetFileType(reinterpret_cast<HANDLE>(static_cast<std::intptr_t>(fd)));
  if (type == FILE_TYPE_UNKNOWN) return posix_error(context, EBADF);
  Adopted found;
  found.regular = type == FILE_TYPE_DISK;
  if (found.regular) return found;
  const HandleUse use = handle_use(fd);
  if (type != FILE_TYPE_PIPE || !use.overlapped) {
    return Error(ErrorKind::kNotPollable, context + ": a handle whose calls block").with_hint("use netpoll::File");
  }
  found.flags = use.reads && use.writes ? O_RDWR : use.reads ? O_RDONLY : O_WRONLY;
  return found;
}

}  // namespace

Result<Adopted> inspect(int fd) {
  base::start_winsock();
  const std::string context = "adopt fd " + std::to_string(fd);
  Adopted found;
  int type = 0;
  socklen_t size = sizeof type;
  const long result = sys(SYS_getsockopt, fd, SOL_SOCKET, SO_TYPE, &type, &size);
  if (result == -ENOTSOCK) return block_on([&] { return inspect_file(context, fd); });
  if (result < 0) return posix_error(context, static_cast<int>(-result));
  found.socket = true;
  found.type = type;
  found.listening = get_option(fd, SOL_SOCKET, SO_ACCEPTCONN) != 0;
  const int family = socket_name(fd).family();
  found.unix_domain = family == AF_UNIX;
  found.tcp = (family == AF_INET || family == AF_INET6) && type == SOCK_STREAM;
  return found;
}

// Winsock does not tell whether a socket is non-blocking, and its overlapped operations never block.
Result<void> make_nonblocking(int fd, const Adopted& found) {
  if (!found.socket) return {};
  u_long non_blocking = 1;
  if (ioctlsocket(static_cast<SOCKET>(fd), FIONBIO, &non_blocking) == 0) return {};
  return posix_error("set FIONBIO on fd " + std::to_string(fd),
                     base::errno_of(static_cast<unsigned long>(WSAGetLastError())));
}

void restore_flags(int, const Adopted&) {}

void unlink_path(const Addr& address) {
  const std::string path = address.unix_path();
  if (!path.empty()) DeleteFileW(base::widen(path).c_str());
}

}  // namespace netpoll::net
