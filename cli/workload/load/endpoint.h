// endpoint.h: where the load generator connects to, and from which source address.
//
// Parsed here and not by libruntime's Addr: the load generator shares no network code with what it measures.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <string>

#include "netpoll/fd.h"
#include "netpoll/result.h"

namespace netpoll::workload {

// Endpoint is a value: an IPv4, IPv6 or Unix stream address.
class Endpoint {
 public:
  // "127.0.0.1:80", "[::1]:80", "unix:/path", "unix:@abstract". Numeric addresses only. kInvalid otherwise.
  static Result<Endpoint> parse(const std::string& text);

  int family() const { return storage_.ss_family; }
  const sockaddr* data() const { return reinterpret_cast<const sockaddr*>(&storage_); }
  socklen_t size() const { return size_; }
  const std::string& text() const { return text_; }

  // Whether different 127.x.y.z sources can reach it, which multiplies the ports there are.
  bool has_many_sources() const;

 private:
  std::string text_;
  sockaddr_storage storage_{};
  socklen_t size_ = 0;
};

// Connections one source address can have to one endpoint before connect() slows down: half of ip_local_port_range,
// less a reserve.
std::uint64_t ports_per_source();

// A non-blocking, close-on-exec socket of type (SOCK_STREAM, SOCK_DGRAM) for endpoint; TCP without Nagle's delay. With
// source > 0 it is bound to 127.0.0.(1 + source mod 250), port chosen at connect. receive_buffer 0: the default.
Result<Fd> make_socket(const Endpoint& endpoint, int type, std::uint64_t source = 0, int receive_buffer = 0);

// What a failed connect means and what to do about it.
Error connect_error(const Endpoint& endpoint, int sys_errno);

}  // namespace netpoll::workload
