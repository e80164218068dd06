// ip_name.h: an IP address in 24 bytes, where an Addr has 112. Each connection keeps its peer's, so that an error can
// name it, and peer() answer, without a system call.
#pragma once

#include <cstdint>

#include "netpoll/net/addr.h"

namespace netpoll::net {

struct IpName {
  std::uint16_t family = AF_UNSPEC;  // AF_INET, AF_INET6; AF_UNSPEC for everything else
  std::uint16_t port = 0;            // network byte order
  std::uint32_t scope = 0;
  std::uint8_t address[16] = {};  // the first four for IPv4

  static IpName of(const Addr& addr);
  Addr addr() const;  // invalid for AF_UNSPEC
};

}  // namespace netpoll::net
