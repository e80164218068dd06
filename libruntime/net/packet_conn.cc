// PacketConn: datagrams over a NetFd.
#include "netpoll/net/packet_conn.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <string>

#include "libruntime/net/net_fd.h"
#include "libruntime/net/socket.h"
#include "libruntime/net/sys.h"

namespace netpoll {
namespace {

Error no_conn(const char* operation) { return Error(ErrorKind::kClosing, operation); }

Result<std::size_t> counted(net::NetFd& fd, const char* operation, long result) {
  if (result < 0) [[unlikely]]
    return fd.error(operation, result);
  return static_cast<std::size_t>(result);
}

Result<void> done(net::NetFd& fd, const char* operation, long result) {
  if (result < 0) [[unlikely]]
    return fd.error(operation, result);
  return {};
}

Result<Fd> prepare_socket(const char* operation, const Addr& address, const Addr& local, const PacketOptions& options) {
  auto fd = net::make_socket(operation, address, SOCK_DGRAM);
  if (!fd) return fd;
  const auto set = [&](int level, int option, int value, const char* what) {
    return net::set_option(operation, address, fd->get(), level, option, value, what);
  };
  if (options.reuse_port) {
    if (auto r = net::share_port(operation, address, fd->get()); !r) return std::move(r).error();
  }
  if (local.family() == AF_INET6 && net::is_wildcard(local)) {
    if (auto r = set(IPPROTO_IPV6, IPV6_V6ONLY, 0, "IPV6_V6ONLY"); !r) return std::move(r).error();
  }
  if (auto r = net::run_control(operation, address, fd->get(), options.control); !r) return std::move(r).error();
  if (local.valid()) {
    if (auto r = net::bind_socket(operation, local, fd->get()); !r) return std::move(r).error();
  }
  return fd;
}

}  // namespace

PacketConn& PacketConn::operator=(PacketConn&& other) noexcept {
  if (this != &other) {
    PacketConn old(std::move(*this));
    fd_ = std::exchange(other.fd_, nullptr);
    unlink_ = std::exchange(other.unlink_, false);
  }
  return *this;
}

PacketConn::~PacketConn() {
  if (fd_ == nullptr) return;
  if (fd_->number() >= 0) static_cast<void>(close());
  fd_->unref();
}

Result<PacketConn> PacketConn::bind(const Addr& address, const PacketOptions& options) {
  auto fd = prepare_socket("bind", address, address, options);
  if (!fd) return std::move(fd).error();
  const Addr local = net::socket_name(fd->get());
  auto net_fd = net::NetFd::create(*fd, net::FdKind::kDatagram, local, /*shared=*/false);
  if (!net_fd) return std::move(net_fd).error().within("bind " + address.str());
  return PacketConn(*net_fd, options.unlink_on_close && !local.unix_path().empty());
}

Result<PacketConn> PacketConn::bind(std::string_view address, const PacketOptions& options) {
  auto parsed = Addr::parse(address);
  if (!parsed) return std::move(parsed).error().within("bind");
  return bind(*parsed, options);
}

Result<PacketConn> PacketConn::connect(const Addr& to, const Addr& from, const PacketOptions& options) {
  Addr peer = to;
  Addr local = from;
  net::agree_on_family(local, peer);
  auto fd = prepare_socket("connect", peer, local, options);
  if (!fd) return std::move(fd).error();
  // Datagram sockets connect at once.
  if (const long r = net::sys(SYS_connect, fd->get(), peer.data(), peer.size()); r < 0) {
    return posix_error("connect " + peer.str(), static_cast<int>(-r));
  }
  auto net_fd = net::NetFd::create(*fd, net::FdKind::kDatagram, peer, /*shared=*/false);
  if (!net_fd) return std::move(net_fd).error().within("connect " + peer.str());
  return PacketConn(*net_fd, options.unlink_on_close && !local.unix_path().empty());
}

Result<PacketConn> PacketConn::adopt(Fd fd) {
  const std::string context = "adopt fd " + std::to_string(fd.get());
  auto found = net::inspect(fd.get());
  if (!found) return std::move(found).error();
  if (!found->socket || found->type != SOCK_DGRAM) {
    return Error(ErrorKind::kInvalid, context + ": not a datagram socket").with_hint("use netpoll::Conn::adopt");
  }
  if (auto set = net::make_nonblocking(fd.get(), *found); !set) return std::move(set).error();
  Addr name = net::peer_name(fd.get());
  if (!name.valid()) name = net::socket_name(fd.get());
  auto net_fd = net::NetFd::create(fd, net::FdKind::kDatagram, name, /*shared=*/true);
  if (!net_fd) return std::move(net_fd).error().within(context);
  return PacketConn(*net_fd, /*unlink=*/false);
}

Result<std::size_t> PacketConn::read_from(std::span<std::byte> buffer, Addr* from) {
  if (fd_ == nullptr) return no_conn("read");
  return counted(*fd_, "read", fd_->recv_from(buffer.data(), buffer.size(), from));
}

Result<std::size_t> PacketConn::write_to(std::span<const std::byte> data, const Addr& to) {
  if (fd_ == nullptr) return no_conn("write");
  const Addr address = net::in_family(to, fd_->ip_family());
  const long result = fd_->send_to(data.data(), data.size(), &address);
  if (result < 0) return net::io_error("write " + to.str(), result);
  return static_cast<std::size_t>(result);
}

Result<std::size_t> PacketConn::write(std::span<const std::byte> data) {
  if (fd_ == nullptr) return no_conn("write");
  return counted(*fd_, "write", fd_->send_to(data.data(), data.size(), nullptr));
}

Result<void> PacketConn::close() {
  if (fd_ == nullptr) return no_conn("close");
  if (unlink_ && fd_->number() >= 0) net::unlink_path(fd_->local());
  return done(*fd_, "close", fd_->close());
}

Result<void> PacketConn::set_deadline(TimePoint deadline) {
  if (fd_ == nullptr) return no_conn("set deadline");
  return done(*fd_, "set deadline", fd_->set_deadline(3, deadline));
}

Result<void> PacketConn::set_read_deadline(TimePoint deadline) {
  if (fd_ == nullptr) return no_conn("set read deadline");
  return done(*fd_, "set read deadline", fd_->set_deadline(1, deadline));
}

Result<void> PacketConn::set_write_deadline(TimePoint deadline) {
  if (fd_ == nullptr) return no_conn("set write deadline");
  return done(*fd_, "set write deadline", fd_->set_deadline(2, deadline));
}

Addr PacketConn::local() const { return fd_ != nullptr ? fd_->local() : Addr(); }
Addr PacketConn::peer() const { return fd_ != nullptr ? fd_->peer() : Addr(); }
RawConn PacketConn::raw() const { return fd_ != nullptr ? RawConn(fd_) : RawConn(); }
int PacketConn::fd() const { return fd_ != nullptr ? fd_->number() : -1; }

}  // namespace netpoll
