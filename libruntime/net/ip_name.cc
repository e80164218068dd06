// Packs an address, and prints it.
#include "libruntime/net/ip_name.h"

#include <netinet/in.h>

#include <cstring>

namespace netpoll::net {

IpName IpName::of(const Addr& addr) {
  IpName name;
  if (addr.family() == AF_INET) {
    sockaddr_in in;
    std::memcpy(&in, addr.data(), sizeof in);
    name.port = in.sin_port;
    std::memcpy(name.address, &in.sin_addr, sizeof in.sin_addr);
  } else if (addr.family() == AF_INET6) {
    sockaddr_in6 in6;
    std::memcpy(&in6, addr.data(), sizeof in6);
    name.port = in6.sin6_port;
    name.scope = in6.sin6_scope_id;
    std::memcpy(name.address, &in6.sin6_addr, sizeof in6.sin6_addr);
  } else {
    return name;
  }
  name.family = static_cast<std::uint16_t>(addr.family());
  return name;
}

Addr IpName::addr() const {
  if (family == AF_INET) {
    sockaddr_in in{};
    in.sin_family = AF_INET;
    in.sin_port = port;
    std::memcpy(&in.sin_addr, address, sizeof in.sin_addr);
    return Addr::from_sockaddr(reinterpret_cast<const sockaddr*>(&in), sizeof in);
  }
  if (family == AF_INET6) {
    sockaddr_in6 in6{};
    in6.sin6_family = AF_INET6;
    in6.sin6_port = port;
    in6.sin6_scope_id = scope;
    std::memcpy(&in6.sin6_addr, address, sizeof in6.sin6_addr);
    return Addr::from_sockaddr(reinterpret_cast<const sockaddr*>(&in6), sizeof in6);
  }
  return {};
}

}  // namespace netpoll::net
