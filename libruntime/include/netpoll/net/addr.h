// Addr: where a socket is or goes.
#pragma once

#include <sys/socket.h>
#include <sys/un.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "netpoll/result.h"

namespace netpoll {

// Addr is the address of an IPv4, IPv6 or Unix socket, as a value. A default-constructed one names nothing (family
// AF_UNSPEC), as does the address of an unnamed Unix socket's peer. Never resolves names and never blocks.
class Addr {
 public:
  Addr() = default;

  // Parses
  //   "127.0.0.1:80"  "[::1]:80"  "[fe80::1%eth0]:80"   numeric addresses; the port may be 0 to let the kernel choose
  //   "localhost:80"                                    127.0.0.1
  //   ":80"                                             every address of the machine, IPv6 and IPv4
  //   "unix:/run/server.sock"                           a path of at most 107 bytes
  //   "unix:@name"                                      an abstract name (unix(7)); no file, gone with its last socket
  // kInvalid, with a hint, for anything else.
  //
  // dial, PacketConn::connect and write_to take an IPv4-mapped address ("[::ffff:127.0.0.1]:80") for the IPv4 address
  // it stands for, and on a socket for both families the other way round. A local address of ":0" goes with either
  // family.
  static Result<Addr> parse(std::string_view text);

  static Addr loopback(std::uint16_t port = 0);  // 127.0.0.1:port

  // Copies an address from the kernel. size as returned by getsockname(2), accept(2) and recvfrom(2).
  static Addr from_sockaddr(const sockaddr* address, socklen_t size);

  // The text that parse() reads; "" when it names nothing.
  std::string str() const;

  bool valid() const { return family() != AF_UNSPEC; }
  int family() const { return storage_.sa.sa_family; }  // AF_INET, AF_INET6, AF_UNIX, AF_UNSPEC
  bool is_ip() const { return family() == AF_INET || family() == AF_INET6; }
  std::uint16_t port() const;  // host byte order; 0 for Unix addresses
  Addr with_port(std::uint16_t port) const;
  // The file that a Unix socket of this address lives at, "" for abstract names and other families.
  std::string unix_path() const;

  const sockaddr* data() const { return &storage_.sa; }
  socklen_t size() const { return size_; }

  friend bool operator==(const Addr& a, const Addr& b);

 private:
  union Storage {
    sockaddr sa;
    sockaddr_un un;  // the largest of the families
    alignas(8) char bytes[sizeof(sockaddr_un)];
  };
  static_assert(sizeof(sockaddr_un) >= 28, "an IPv6 address must fit");

  Storage storage_{.bytes = {}};
  socklen_t size_ = 0;
};

}  // namespace netpoll
