// Parses addresses, and gives each connection a source address with ports to spare.
#include "cli/workload/load/endpoint.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <string_view>

namespace netpoll::workload {
namespace {

constexpr std::string_view kUnix = "unix:";

Error bad_address(const std::string& text) {
  return Error(ErrorKind::kInvalid, "\"" + text + "\" is not an address")
      .with_hint("127.0.0.1:8080, [::1]:8080, unix:/path or unix:@name");
}

bool parse_port(std::string_view text, std::uint16_t& port) {
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), port);
  return status == std::errc() && end == text.data() + text.size();
}

}  // namespace

Result<Endpoint> Endpoint::parse(const std::string& text) {
  Endpoint endpoint;
  endpoint.text_ = text;
  if (text.starts_with(kUnix)) {
    const std::string_view path = std::string_view(text).substr(kUnix.size());
    auto* address = reinterpret_cast<sockaddr_un*>(&endpoint.storage_);
    if (path.empty() || path == "@" || path.size() >= sizeof(address->sun_path)) return bad_address(text);
    address->sun_family = AF_UNIX;
    std::memcpy(address->sun_path, path.data(), path.size());
    const bool abstract = path.front() == '@';
    if (abstract) address->sun_path[0] = '\0';
    endpoint.size_ = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + (abstract ? 0 : 1));
    return endpoint;
  }
  const std::size_t colon = text.rfind(':');
  std::uint16_t port = 0;
  if (colon == std::string::npos || !parse_port(std::string_view(text).substr(colon + 1), port)) {
    return bad_address(text);
  }
  std::string host = text.substr(0, colon);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    auto* address = reinterpret_cast<sockaddr_in6*>(&endpoint.storage_);
    host = host.substr(1, host.size() - 2);
    if (inet_pton(AF_INET6, host.c_str(), &address->sin6_addr) != 1) return bad_address(text);
    address->sin6_family = AF_INET6;
    address->sin6_port = htons(port);
    endpoint.size_ = sizeof(sockaddr_in6);
    return endpoint;
  }
  auto* address = reinterpret_cast<sockaddr_in*>(&endpoint.storage_);
  if (inet_pton(AF_INET, host.c_str(), &address->sin_addr) != 1) return bad_address(text);
  address->sin_family = AF_INET;
  address->sin_port = htons(port);
  endpoint.size_ = sizeof(sockaddr_in);
  return endpoint;
}

bool Endpoint::has_many_sources() const {
  if (family() != AF_INET) return false;
  const auto* address = reinterpret_cast<const sockaddr_in*>(&storage_);
  return (ntohl(address->sin_addr.s_addr) >> 24) == 127;
}

std::uint64_t ports_per_source() {
  unsigned low = 32768;
  unsigned high = 60999;
  if (std::FILE* file = std::fopen("/proc/sys/net/ipv4/ip_local_port_range", "re"); file != nullptr) {
    if (std::fscanf(file, "%u %u", &low, &high) != 2 || high <= low) {
      low = 32768;
      high = 60999;
    }
    std::fclose(file);
  }
  // connect() tries every other port first (net/ipv4/inet_hashtables.c, __inet_hash_connect), one after the other. Once
  // those are taken each connect goes through all of them, 14,000 by default, before it comes to the other half.
  const std::uint64_t ports = (high - low + 1) / 2;
  return std::max<std::uint64_t>(1, ports - ports / 8);  // others use ports too
}

Result<Fd> make_socket(const Endpoint& endpoint, int type, std::uint64_t source, int receive_buffer) {
  Fd fd(socket(endpoint.family(), type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return posix_error("socket", errno);
  const int one = 1;
  if (type == SOCK_STREAM && endpoint.family() != AF_UNIX &&
      setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) != 0) {
    return posix_error("setsockopt(TCP_NODELAY)", errno);
  }
  if (receive_buffer > 0 && setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof(receive_buffer)) != 0) {
    return posix_error("setsockopt(SO_RCVBUF)", errno);
  }
  if (source > 0 && endpoint.has_many_sources()) {
    // The port is chosen at connect, where the whole four-tuple is known; bind would demand a port unique for itself.
    if (setsockopt(fd.get(), IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one)) != 0) {
      return posix_error("setsockopt(IP_BIND_ADDRESS_NO_PORT)", errno);
    }
    sockaddr_in from{};
    from.sin_family = AF_INET;
    from.sin_addr.s_addr = htonl((127u << 24) | static_cast<std::uint32_t>(1 + source % 250));
    if (bind(fd.get(), reinterpret_cast<const sockaddr*>(&from), sizeof(from)) != 0) {
      return posix_error("bind 127.0.0." + std::to_string(1 + source % 250), errno);
    }
  }
  return fd;
}

Error connect_error(const Endpoint& endpoint, int sys_errno) {
  Error error = posix_error("connect " + endpoint.text(), sys_errno);
  switch (sys_errno) {
    case ECONNREFUSED:
    case ENOENT:
      return std::move(error).with_hint("nobody listens there: did the server start, and has it ended already?");
    case EADDRNOTAVAIL:
      return std::move(error).with_hint("no free local port: fewer --conns, or widen net.ipv4.ip_local_port_range");
    case EMFILE:
    case ENFILE:
      return std::move(error).with_hint("too many open files: fewer --conns, or a higher limit (ulimit -n)");
    default:
      return error;
  }
}

}  // namespace netpoll::workload
