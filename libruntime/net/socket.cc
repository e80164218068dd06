// Makes sockets with their options, and binds them; addresses in the family of a socket.
#include "libruntime/net/socket.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "libruntime/net/sys.h"

namespace netpoll::net {
namespace {

Error failed(const char* operation, const Addr& address, const char* what, long code) {
  return posix_error(std::string(operation) + " " + address.str() + ": " + what, static_cast<int>(-code));
}

Addr name_of(long call, int fd) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  if (sys(call, fd, &storage, &size) != 0) return {};
  return Addr::from_sockaddr(reinterpret_cast<const sockaddr*>(&storage), size);
}

}  // namespace

Result<Fd> make_socket(const char* operation, const Addr& address, int type) {
  if (!address.valid()) return Error(ErrorKind::kInvalid, std::string(operation) + ": no address given");
  const long fd = sys(SYS_socket, address.family(), type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return failed(operation, address, "socket", fd);
  return Fd(static_cast<int>(fd));
}

int get_option(int fd, int level, int option) {
  int value = 0;
  socklen_t size = sizeof value;
  return sys(SYS_getsockopt, fd, level, option, &value, &size) == 0 ? value : 0;
}

Result<void> set_option(const char* operation, const Addr& address, int fd, int level, int option, int value,
                        const char* what) {
  const long result = sys(SYS_setsockopt, fd, level, option, &value, sizeof value);
  if (result < 0) return failed(operation, address, what, result);
  return {};
}

Result<void> run_control(const char* operation, const Addr& address, int fd,
                         const std::function<Result<void>(int)>& control) {
  if (!control) return {};
  Result<void> result = control(fd);
  if (!result) return std::move(result).error().within(std::string(operation) + " " + address.str());
  return {};
}

Result<void> bind_socket(const char* operation, const Addr& address, int fd) {
  const long result = sys(SYS_bind, fd, address.data(), address.size());
  if (result == 0) return {};
  Error error = failed(operation, address, "bind", result);
  if (result == -EADDRINUSE && !address.unix_path().empty()) {
    return std::move(error).with_hint("the file exists; remove it if no server is behind it");
  }
  return error;
}

Addr socket_name(int fd) { return name_of(SYS_getsockname, fd); }

Addr peer_name(int fd) { return name_of(SYS_getpeername, fd); }

bool is_wildcard(const Addr& address) {
  if (address.family() == AF_INET) {
    sockaddr_in in;
    std::memcpy(&in, address.data(), sizeof in);
    return in.sin_addr.s_addr == htonl(INADDR_ANY);
  }
  if (address.family() == AF_INET6) {
    sockaddr_in6 in6;
    std::memcpy(&in6, address.data(), sizeof in6);
    return IN6_IS_ADDR_UNSPECIFIED(&in6.sin6_addr);
  }
  return false;
}

Addr in_family(const Addr& address, int family) {
  if (family == AF_INET && address.family() == AF_INET6) {
    sockaddr_in6 from;
    std::memcpy(&from, address.data(), sizeof from);
    const bool mapped = IN6_IS_ADDR_V4MAPPED(&from.sin6_addr) != 0;
    if (!mapped && !is_wildcard(address)) return address;
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = from.sin6_port;
    if (mapped) std::memcpy(&to.sin_addr, from.sin6_addr.s6_addr + 12, sizeof to.sin_addr);
    return Addr::from_sockaddr(reinterpret_cast<const sockaddr*>(&to), sizeof to);
  }
  if (family == AF_INET6 && address.family() == AF_INET) {
    sockaddr_in from;
    std::memcpy(&from, address.data(), sizeof from);
    sockaddr_in6 to{};
    to.sin6_family = AF_INET6;
    to.sin6_port = from.sin_port;
    if (!is_wildcard(address)) {
      to.sin6_addr.s6_addr[10] = to.sin6_addr.s6_addr[11] = 0xff;
      std::memcpy(to.sin6_addr.s6_addr + 12, &from.sin_addr, sizeof from.sin_addr);
    }
    return Addr::from_sockaddr(reinterpret_cast<const sockaddr*>(&to), sizeof to);
  }
  return address;
}

std::string shown(const Addr& address) {
  const Addr plain = in_family(address, AF_INET);
  return plain.is_ip() && plain.port() == 0 ? std::string() : plain.str();
}

void agree_on_family(Addr& local, Addr& peer) {
  if (!is_wildcard(peer)) peer = in_family(peer, AF_INET);
  if (!is_wildcard(local)) local = in_family(local, AF_INET);
  if (is_wildcard(local)) {
    local = in_family(local, peer.family());
  } else if (is_wildcard(peer) && local.is_ip()) {
    peer = in_family(peer, local.family());
  }
}

}  // namespace netpoll::net
