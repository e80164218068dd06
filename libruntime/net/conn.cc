// Conn: a stream connection over a NetFd.
#include "netpoll/net/conn.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <string>

#include "libruntime/net/net_fd.h"
#include "libruntime/net/socket.h"

namespace netpoll {
namespace {

// Not inlined: what an Error is made with would widen the frames that lie on the stack of every parked reader.
template <typename T>
[[gnu::cold, gnu::noinline]] Result<T> no_conn(const char* operation) {
  return Error(ErrorKind::kClosing, operation);
}
template <typename T>
[[gnu::cold, gnu::noinline]] Result<T> failed(net::NetFd& fd, const char* operation, long result) {
  return fd.error(operation, result);
}

Result<std::size_t> counted(net::NetFd& fd, const char* operation, long result) {
  if (result < 0) [[unlikely]]
    return failed<std::size_t>(fd, operation, result);
  return static_cast<std::size_t>(result);
}

Result<void> done(net::NetFd& fd, const char* operation, long result) {
  if (result < 0) [[unlikely]]
    return failed<void>(fd, operation, result);
  return {};
}

}  // namespace

Conn& Conn::operator=(Conn&& other) noexcept {
  if (this != &other) {
    Conn old(std::exchange(fd_, std::exchange(other.fd_, nullptr)));
  }
  return *this;
}

Conn::~Conn() {
  if (fd_ == nullptr) return;
  fd_->close();
  fd_->unref();
}

Result<Conn> Conn::adopt(Fd fd) {
  const std::string context = "adopt fd " + std::to_string(fd.get());
  auto found = net::inspect(fd.get());
  if (!found) return std::move(found).error();
  if (found->regular) {
    return Error(ErrorKind::kNotPollable, context + ": a regular file or directory").with_hint("use netpoll::File");
  }
  if (found->listening) {
    return Error(ErrorKind::kInvalid, context + ": a listening socket").with_hint("use netpoll::Listener::adopt");
  }
  if (found->socket && found->type == SOCK_DGRAM) {
    return Error(ErrorKind::kInvalid, context + ": a datagram socket").with_hint("use netpoll::PacketConn::adopt");
  }

  net::FdKind kind = net::FdKind::kStream;
  Addr name;
  if (found->socket) {
    kind = net::FdKind::kSocket;
    if (found->type == SOCK_STREAM && found->tcp) kind = net::FdKind::kTcp;
    if (found->type == SOCK_STREAM && found->unix_domain) kind = net::FdKind::kUnixStream;
    name = net::peer_name(fd.get());
  } else if ((found->flags & O_ACCMODE) == O_WRONLY) {
    kind = net::FdKind::kWriteOnly;
  }
  if (auto set = net::make_nonblocking(fd.get(), *found); !set) return std::move(set).error();
  auto net_fd = net::NetFd::create(fd, kind, name, /*shared=*/true);
  if (!net_fd) {
    net::restore_flags(fd.get(), *found);
    return std::move(net_fd).error().within(context);
  }
  return Conn(*net_fd);
}

[[gnu::hot]] Result<std::size_t> Conn::read(std::span<std::byte> buffer) {
  if (fd_ == nullptr) return no_conn<std::size_t>("read");
  return counted(*fd_, "read", fd_->read(buffer.data(), buffer.size()));
}

Result<void> Conn::read_full(std::span<std::byte> buffer) {
  while (!buffer.empty()) {
    auto n = read(buffer);
    if (!n) return std::move(n).error();
    if (*n == 0) return Error(ErrorKind::kEof, fd_->describe("read"));
    buffer = buffer.subspan(*n);
  }
  return {};
}

Result<std::size_t> Conn::readv(std::span<const iovec> buffers) {
  if (fd_ == nullptr) return no_conn<std::size_t>("readv");
  return counted(*fd_, "readv", fd_->readv(buffers.data(), buffers.size()));
}

[[gnu::hot]] Result<std::size_t> Conn::write(std::span<const std::byte> data) {
  if (fd_ == nullptr) return no_conn<std::size_t>("write");
  return counted(*fd_, "write", fd_->write_all(data.data(), data.size()));
}

Result<std::size_t> Conn::writev(std::span<const iovec> buffers) {
  if (fd_ == nullptr) return no_conn<std::size_t>("writev");
  return counted(*fd_, "writev", fd_->writev_all(buffers.data(), buffers.size()));
}

Result<std::size_t> Conn::send_file(int file_fd, std::int64_t offset, std::size_t count) {
  if (fd_ == nullptr) return no_conn<std::size_t>("sendfile");
  return counted(*fd_, "sendfile", fd_->send_file(file_fd, offset, count));
}

Result<void> Conn::wait_readable() {
  if (fd_ == nullptr) return no_conn<void>("wait readable");
  return done(*fd_, "wait readable", fd_->wait_readable());
}

Result<void> detail::rest_until_readable(Conn& conn, RestingOperation*& operation) {
  if (conn.fd_ == nullptr) return no_conn<void>("wait readable");
  return done(*conn.fd_, "wait readable", conn.fd_->rest_until_readable(operation));
}

Result<void> Conn::close() {
  if (fd_ == nullptr) return no_conn<void>("close");
  return done(*fd_, "close", fd_->close());
}

Result<void> Conn::close_read() {
  if (fd_ == nullptr) return no_conn<void>("close read side");
  return done(*fd_, "close read side", fd_->shutdown(SHUT_RD));
}

Result<void> Conn::close_write() {
  if (fd_ == nullptr) return no_conn<void>("close write side");
  return done(*fd_, "close write side", fd_->shutdown(SHUT_WR));
}

Result<void> Conn::set_deadline(TimePoint deadline) {
  if (fd_ == nullptr) return no_conn<void>("set deadline");
  return done(*fd_, "set deadline", fd_->set_deadline(3, deadline));
}

Result<void> Conn::set_read_deadline(TimePoint deadline) {
  if (fd_ == nullptr) return no_conn<void>("set read deadline");
  return done(*fd_, "set read deadline", fd_->set_deadline(1, deadline));
}

Result<void> Conn::set_write_deadline(TimePoint deadline) {
  if (fd_ == nullptr) return no_conn<void>("set write deadline");
  return done(*fd_, "set write deadline", fd_->set_deadline(2, deadline));
}

Addr Conn::local() const { return fd_ != nullptr ? fd_->local() : Addr(); }
Addr Conn::peer() const { return fd_ != nullptr ? fd_->peer() : Addr(); }
RawConn Conn::raw() const { return fd_ != nullptr ? RawConn(fd_) : RawConn(); }
int Conn::fd() const { return fd_ != nullptr ? fd_->number() : -1; }

}  // namespace netpoll
