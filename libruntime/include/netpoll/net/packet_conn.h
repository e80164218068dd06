// PacketConn: datagrams over UDP or Unix datagram sockets.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <string_view>
#include <utility>

#include "netpoll/fd.h"
#include "netpoll/net/addr.h"
#include "netpoll/net/deadline.h"
#include "netpoll/net/raw_conn.h"
#include "netpoll/result.h"

namespace netpoll {

struct PacketOptions {
  bool reuse_port = false;      // SO_REUSEPORT
  bool unlink_on_close = true;  // removes the file of a bound Unix address at close
  // Runs between socket() and bind()/connect(). Its error ends the call.
  std::function<Result<void>(int fd)> control;
};

// PacketConn owns one datagram socket. Thread contract, deadlines and errors as Conn's. Each call moves one datagram.
class PacketConn {
 public:
  PacketConn() = default;
  PacketConn(PacketConn&& other) noexcept
      : fd_(std::exchange(other.fd_, nullptr)), unlink_(std::exchange(other.unlink_, false)) {}
  PacketConn& operator=(PacketConn&& other) noexcept;
  PacketConn(const PacketConn&) = delete;
  PacketConn& operator=(const PacketConn&) = delete;
  ~PacketConn();  // closes, dropping the error

  // A socket bound to address, for read_from() and write_to().
  static Result<PacketConn> bind(const Addr& address, const PacketOptions& options = {});
  static Result<PacketConn> bind(std::string_view address, const PacketOptions& options = {});
  // A socket that talks to peer only, for read() and write(). local is bound to first when valid: Unix sockets need it
  // to get answers.
  static Result<PacketConn> connect(const Addr& peer, const Addr& local = {}, const PacketOptions& options = {});
  // Takes a datagram socket from elsewhere. Sets O_NONBLOCK. On failure fd is closed. kInvalid for streams.
  static Result<PacketConn> adopt(Fd fd);

  // Receives one datagram; what does not fit into buffer is lost. Its length may be 0. from, when given, gets the
  // sender (an invalid Addr for an unnamed Unix socket). On a connected socket an earlier write that found nobody shows
  // here as ECONNREFUSED.
  Result<std::size_t> read_from(std::span<std::byte> buffer, Addr* from = nullptr);
  Result<std::size_t> read(std::span<std::byte> buffer) { return read_from(buffer); }

  Result<std::size_t> write_to(std::span<const std::byte> data, const Addr& to);
  Result<std::size_t> write(std::span<const std::byte> data);  // connected sockets; EDESTADDRREQ or ENOTCONN for others

  Result<void> close();
  Result<void> set_deadline(TimePoint deadline);
  Result<void> set_read_deadline(TimePoint deadline);
  Result<void> set_write_deadline(TimePoint deadline);

  Addr local() const;
  Addr peer() const;
  RawConn raw() const;
  bool valid() const { return fd_ != nullptr; }
  int fd() const;  // for display only; -1 when not valid

 private:
  PacketConn(net::NetFd* fd, bool unlink) : fd_(fd), unlink_(unlink) {}

  net::NetFd* fd_ = nullptr;
  bool unlink_ = false;  // remove the bound Unix path at close
};

}  // namespace netpoll
