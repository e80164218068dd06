// Binds to addresses that are allowed, and asks the kernel who is there.
#include "exporters/http/listening.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "netpoll/error.h"

namespace netpoll::http {
namespace {

constexpr int kBacklog = 1024;  // the kernel takes no more than net.core.somaxconn

bool is_loopback(const Addr& address) {
  if (address.family() == AF_INET) {
    sockaddr_in in;
    std::memcpy(&in, address.data(), sizeof(in));
    return ntohl(in.sin_addr.s_addr) >> 24 == 127;
  }
  sockaddr_in6 in6;
  std::memcpy(&in6, address.data(), sizeof(in6));
  return IN6_IS_ADDR_LOOPBACK(&in6.sin6_addr);
}

Result<Addr> allowed(const std::string& text, const ListenOptions& options) {
  const std::string what = options.what + " " + text;
  auto address = Addr::parse(text);
  if (!address) return std::move(address).error().within(options.what);
  const bool abstract = address->family() == AF_UNIX && address->unix_path().empty();
  if (abstract) {
    return Error(ErrorKind::kInvalid, what + ": an abstract name has no file whose mode could protect it")
        .with_hint("unix:/path");
  }
  if (address->family() != AF_UNIX && !is_loopback(*address) && !options.allow_remote) {
    return Error(ErrorKind::kInvalid, what + ": other machines could read it, and it has no password")
        .with_hint("127.0.0.1:PORT, a Unix socket, or " + options.remote_switch);
  }
  return address;
}

// Takes the file of a socket away that nobody listens on any more.
void remove_stale(const Addr& address) {
  struct stat status {};
  if (lstat(address.unix_path().c_str(), &status) != 0 || !S_ISSOCK(status.st_mode)) return;
  const Fd probe(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (probe.valid() && connect(probe.get(), address.data(), address.size()) != 0 && errno == ECONNREFUSED) {
    unlink(address.unix_path().c_str());
  }
}

Addr name_of(int fd) {
  sockaddr_storage storage{};
  socklen_t size = sizeof(storage);
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &size) != 0) return {};
  return Addr::from_sockaddr(reinterpret_cast<const sockaddr*>(&storage), size);
}

}  // namespace

Result<Listening> Listening::open(const std::string& address, const ListenOptions& options) {
  const auto parsed = allowed(address, options);
  if (!parsed) return parsed.error();
  const std::string what = options.what + " " + address;
  Fd fd(socket(parsed->family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return posix_error(what + ": socket", errno);
  if (parsed->family() == AF_UNIX) {
    remove_stale(*parsed);
    // The file gets its mode from the socket (unix(7)), so that there is no moment in which it has another.
    fchmod(fd.get(), 0600);
  } else {
    const int on = 1;
    setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  }
  if (bind(fd.get(), parsed->data(), parsed->size()) != 0) return posix_error(what + ": bind", errno);
  const Addr bound = parsed->family() == AF_UNIX ? *parsed : name_of(fd.get());
  Listening listening(std::move(fd), bound, options.allow_remote);
  if (listen(listening.fd(), kBacklog) != 0) return posix_error(what + ": listen", errno);
  return listening;
}

Listening::~Listening() {
  if (fd_.valid() && is_unix()) unlink(address_.unix_path().c_str());
}

bool Listening::admits(int connection) const {
  if (!is_unix()) return true;
  ucred peer{};
  socklen_t size = sizeof(peer);
  if (getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return false;
  return peer.uid == geteuid() || peer.uid == 0;
}

bool Listening::admits_host(std::string_view host) const {
  // Whoever could open the socket's file is no browser.
  if (is_unix() || remote_ || host.empty()) return true;
  const bool bracketed = host.starts_with('[');
  const auto end = bracketed ? host.find(']') : host.find(':');
  const std::string name(
      host.substr(bracketed ? 1 : 0, end == std::string_view::npos ? end : end - (bracketed ? 1 : 0)));
  if (name == "localhost") return true;
  in_addr v4;
  in6_addr v6;
  if (inet_pton(AF_INET, name.c_str(), &v4) == 1) return ntohl(v4.s_addr) >> 24 == 127;
  return inet_pton(AF_INET6, name.c_str(), &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

}  // namespace netpoll::http
