// Addresses: parsed, printed, and as the kernel has them.
#include "netpoll/net/addr.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstring>

namespace netpoll {
namespace {

constexpr std::size_t kUnixPathOffset = offsetof(sockaddr_un, sun_path);
// The BSDs have the size in front of the family, and no abstract names: a path that is empty is none.
constexpr std::size_t kFamilyOffset = offsetof(sockaddr, sa_family);
constexpr bool kAbstractNames = kFamilyOffset == 0;

Error bad_address(std::string_view text, const char* reason) {
  return Error(ErrorKind::kInvalid, "address '" + std::string(text) + "': " + reason)
      .with_hint("write 127.0.0.1:80, [::1]:80, localhost:80, :80, unix:/path or unix:@name");
}

bool parse_number(std::string_view text, std::uint32_t max, std::uint32_t& number) {
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number);
  return error == std::errc() && rest == end && number <= max;
}

// "eth0" or "2".
bool parse_zone(std::string_view text, std::uint32_t& index) {
  if (parse_number(text, UINT32_MAX, index)) return true;
  index = if_nametoindex(std::string(text).c_str());
  return index != 0;
}

Result<Addr> parse_unix(std::string_view text, std::string_view path) {
  sockaddr_un un{};
  un.sun_family = AF_UNIX;
  if (path.empty()) return bad_address(text, "no path");
  // A path needs its NUL; an abstract name is as long as the size says, and its '@' becomes the leading NUL.
  const bool abstract = path[0] == '@';
  if (abstract && !kAbstractNames) return bad_address(text, "abstract names are Linux's alone");
  if (path.size() > sizeof un.sun_path - (abstract ? 0 : 1))
    return bad_address(text, "a Unix address has at most 107 bytes");
  if (path.find('\0') != std::string_view::npos) return bad_address(text, "contains a NUL byte");
  std::memcpy(un.sun_path, path.data(), path.size());
  if (abstract) un.sun_path[0] = '\0';
  const std::size_t size = kUnixPathOffset + path.size() + (abstract ? 0 : 1);
  return Addr::from_sockaddr(reinterpret_cast<const sockaddr*>(&un), static_cast<socklen_t>(size));
}

Addr make_v4(in_addr address, std::uint16_t port) {
  sockaddr_in in{};
  in.sin_family = AF_INET;
  in.sin_port = htons(port);
  in.sin_addr = address;
  return Addr::from_sockaddr(reinterpret_cast<const sockaddr*>(&in), sizeof in);
}

}  // namespace

Result<Addr> Addr::parse(std::string_view text) {
  if (text.starts_with("unix:")) return parse_unix(text, text.substr(5));

  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return bad_address(text, "no port");
  std::uint32_t port = 0;
  if (!parse_number(text.substr(colon + 1), UINT16_MAX, port)) return bad_address(text, "the port is not 0..65535");
  std::string_view host = text.substr(0, colon);

  if (host == "localhost") return loopback(static_cast<std::uint16_t>(port));
  if (!host.empty() && host.front() != '[') {
    in_addr v4{};
    if (inet_pton(AF_INET, std::string(host).c_str(), &v4) != 1) {
      return bad_address(
          text, host.find(':') != std::string_view::npos ? "an IPv6 address needs brackets" : "not a numeric address");
    }
    return make_v4(v4, static_cast<std::uint16_t>(port));
  }

  sockaddr_in6 in6{};
  in6.sin6_family = AF_INET6;
  in6.sin6_port = htons(static_cast<std::uint16_t>(port));
  if (!host.empty()) {
    if (host.size() < 2 || host.back() != ']') return bad_address(text, "unbalanced brackets");
    host = host.substr(1, host.size() - 2);
    if (const std::size_t percent = host.find('%'); percent != std::string_view::npos) {
      std::uint32_t zone = 0;
      if (!parse_zone(host.substr(percent + 1), zone)) return bad_address(text, "no such interface");
      in6.sin6_scope_id = zone;
      host = host.substr(0, percent);
    }
    if (inet_pton(AF_INET6, std::string(host).c_str(), &in6.sin6_addr) != 1) {
      return bad_address(text, "not a numeric address");
    }
  }
  return from_sockaddr(reinterpret_cast<const sockaddr*>(&in6), sizeof in6);
}

Addr Addr::loopback(std::uint16_t port) {
  in_addr address{};
  address.s_addr = htonl(INADDR_LOOPBACK);
  return make_v4(address, port);
}

Addr Addr::from_sockaddr(const sockaddr* address, socklen_t size) {
  Addr result;
  if (address == nullptr || static_cast<std::size_t>(size) < sizeof(sa_family_t)) return result;
  // An unnamed Unix socket has a family and nothing else.
  if (address->sa_family == AF_UNIX) {
    const bool empty = static_cast<std::size_t>(size) <= kUnixPathOffset;
    if (empty || (!kAbstractNames && reinterpret_cast<const char*>(address)[kUnixPathOffset] == '\0')) return result;
  }
  result.size_ = std::min<socklen_t>(size, sizeof result.storage_);
  std::memcpy(result.storage_.bytes, address, result.size_);
  // A size that stands there is the call's too; without it addresses compare, wherever they are from.
  std::fill_n(result.storage_.bytes, kFamilyOffset, 0);
  return result;
}

std::uint16_t Addr::port() const {
  sockaddr_in in;
  if (!is_ip()) return 0;
  std::memcpy(&in, storage_.bytes, sizeof in);  // sin6_port is at the same place
  return ntohs(in.sin_port);
}

Addr Addr::with_port(std::uint16_t port) const {
  Addr result = *this;
  const std::uint16_t network_order = htons(port);
  if (is_ip())
    std::memcpy(result.storage_.bytes + offsetof(sockaddr_in, sin_port), &network_order, sizeof network_order);
  return result;
}

std::string Addr::unix_path() const {
  if (family() != AF_UNIX || storage_.un.sun_path[0] == '\0') return {};
  // The kernel counts a final NUL or does not, depending on how the address was bound.
  return {storage_.un.sun_path, strnlen(storage_.un.sun_path, size_ - kUnixPathOffset)};
}

std::string Addr::str() const {
  char text[INET6_ADDRSTRLEN];
  switch (family()) {
    case AF_INET: {
      sockaddr_in in;
      std::memcpy(&in, storage_.bytes, sizeof in);
      inet_ntop(AF_INET, &in.sin_addr, text, sizeof text);
      return std::string(text) + ":" + std::to_string(ntohs(in.sin_port));
    }
    case AF_INET6: {
      sockaddr_in6 in6;
      std::memcpy(&in6, storage_.bytes, sizeof in6);
      inet_ntop(AF_INET6, &in6.sin6_addr, text, sizeof text);
      std::string zone;
      if (in6.sin6_scope_id != 0) zone = "%" + std::to_string(in6.sin6_scope_id);
      return "[" + (text + zone) + "]:" + std::to_string(ntohs(in6.sin6_port));
    }
    case AF_UNIX: {
      if (storage_.un.sun_path[0] != '\0') return "unix:" + unix_path();
      return "unix:@" + std::string(storage_.un.sun_path + 1, size_ - kUnixPathOffset - 1);
    }
    default:
      return {};
  }
}

bool operator==(const Addr& a, const Addr& b) {
  if (a.family() == AF_UNIX && b.family() == AF_UNIX) return a.str() == b.str();
  return a.size_ == b.size_ && std::memcmp(a.storage_.bytes, b.storage_.bytes, a.size_) == 0;
}

}  // namespace netpoll
