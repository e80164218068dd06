// Dialing: non-blocking connect, deadline and cancellation.
#include "netpoll/net/dial.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <optional>

#include "libruntime/net/connect.h"
#include "libruntime/net/net_fd.h"
#include "libruntime/net/socket.h"
#include "netpoll/go.h"
#include "netpoll/sync/context.h"

namespace netpoll {
namespace {

constexpr const char* kOperation = "dial";

std::string context_of(const Addr& address) { return kOperation + (" " + address.str()); }

// Why the attempt must end, if it must.
std::optional<Error> interrupted(const Addr& address, const DialOptions& options) {
  if (options.cancel != nullptr) {
    if (auto status = options.cancel->status(); !status) return Error(status.error().kind(), context_of(address));
  }
  if (options.deadline != kNoDeadline && std::chrono::steady_clock::now() >= options.deadline) {
    return Error(ErrorKind::kTimeout, context_of(address));
  }
  return std::nullopt;
}

Result<Fd> prepare_socket(const Addr& address, const Addr& local, const DialOptions& options) {
  auto fd = net::make_socket(kOperation, address, SOCK_STREAM);
  if (!fd) return fd;
  if (options.no_delay && address.is_ip()) {
    auto r = net::set_option(kOperation, address, fd->get(), IPPROTO_TCP, TCP_NODELAY, 1, "TCP_NODELAY");
    if (!r) return std::move(r).error();
  }
  if (auto r = net::run_control(kOperation, address, fd->get(), options.control); !r) return std::move(r).error();
  if (local.valid()) {
    if (auto r = net::bind_socket(kOperation, local, fd->get()); !r) {
      return std::move(r).error().within(context_of(address));
    }
  }
  return fd;
}

// As net::start_connect(), and tries again while a Unix listener's backlog is full: by the clock, since no event tells
// when it is not. kIoCanceled where interrupted() has the reason.
long start_connect(int fd, const Addr& address, const DialOptions& options) {
  std::chrono::milliseconds pause{1};
  for (;;) {
    const long result = net::start_connect(fd, address);
    if (result != -EAGAIN || address.family() != AF_UNIX) return result;
    if (!sleep(pause) || interrupted(address, options)) return net::kIoCanceled;
    pause = std::min(pause * 2, std::chrono::milliseconds{50});
  }
}

Result<net::NetFd*> connect_once(const Addr& address, const Addr& local, const DialOptions& options) {
  auto fd = prepare_socket(address, local, options);
  if (!fd) return std::move(fd).error();
  long result = start_connect(fd->get(), address, options);
  if (result != 0 && result != net::kConnectUnderWay) {
    if (auto why = interrupted(address, options)) return std::move(*why);
    return net::io_error(context_of(address), result);
  }

  // Registered only now: an unconnected socket would be reported as hung up.
  const net::FdKind kind = address.family() == AF_UNIX ? net::FdKind::kUnixStream : net::FdKind::kTcp;
  auto net_fd = net::NetFd::create(*fd, kind, address, /*shared=*/false);
  if (!net_fd) return std::move(net_fd).error().within(context_of(address));
  if (result == net::kConnectUnderWay) {
    if (options.deadline != kNoDeadline) (*net_fd)->set_deadline(2, options.deadline);
    {
      std::optional<OnCancel> watch;
      if (options.cancel != nullptr) {
        watch.emplace(
            *options.cancel, [](void* arg) { static_cast<net::NetFd*>(arg)->set_deadline(2, TimePoint::min()); },
            *net_fd);
      }
      result = net::finish_connect(**net_fd, address);
    }
    (*net_fd)->set_deadline(2, kNoDeadline);
  }
  if (result == 0 && !(options.cancel != nullptr && options.cancel->done())) return *net_fd;

  (*net_fd)->close();
  (*net_fd)->unref();
  if (options.cancel != nullptr && options.cancel->done()) {
    if (auto why = interrupted(address, options)) return std::move(*why);
  }
  return net::io_error(context_of(address), result);
}

// A dial to an ephemeral port nobody listens on may be given that same port as its own, and TCP then connects the
// socket to itself (simultaneous open).
bool connected_to_itself(net::NetFd& fd) { return fd.kind() == net::FdKind::kTcp && fd.local() == fd.peer(); }

}  // namespace

Result<Conn> dial(const Addr& to, const DialOptions& options) {
  Addr address = to;
  Addr local = options.local;
  net::agree_on_family(local, address);
  if (auto why = interrupted(address, options)) return std::move(*why);
  // As Go: two more tries where chance chose the local port, and only there.
  const bool chosen_port = local.valid() && local.port() != 0;
  for (int tries_left = chosen_port ? 0 : 2;; --tries_left) {
    auto fd = connect_once(address, local, options);
    if (!fd) {
      // The kernel ran into a port that was being given away at the same time.
      if (tries_left > 0 && address.is_ip() && fd.error().sys_errno() == EADDRNOTAVAIL) continue;
      return std::move(fd).error();
    }
    Conn conn(*fd);
    if (!connected_to_itself(**fd)) return conn;
    if (tries_left == 0 && chosen_port) return conn;
    if (tries_left == 0) return posix_error(context_of(address), ECONNREFUSED);
  }
}

Result<Conn> dial(std::string_view address, const DialOptions& options) {
  auto parsed = Addr::parse(address);
  if (!parsed) return std::move(parsed).error().within(kOperation);
  return dial(*parsed, options);
}

}  // namespace netpoll
