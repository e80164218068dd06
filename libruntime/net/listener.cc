// Listener: accept, with a pause when descriptors run out.
#include "netpoll/net/listener.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <cerrno>

#include "libruntime/base/clock.h"
#include "libruntime/net/net_fd.h"
#include "libruntime/net/socket.h"
#include "libruntime/net/sys.h"
#include "libruntime/sched/scheduler.h"
#include "libruntime/sched/timers.h"
#include "libruntime/sched/wait.h"
#include "netpoll/base/mutex.h"

namespace netpoll {
namespace {

// As Go's net/http.Server.Serve.
constexpr std::int64_t kFirstPause = 5'000'000;
constexpr std::int64_t kLongestPause = 1'000'000'000;

// Out of something that others will give back; the connection stays in the backlog.
bool is_shortage(long code) { return code == -EMFILE || code == -ENFILE || code == -ENOBUFS || code == -ENOMEM; }

// The connection taken from the backlog was dead already; Linux hands its network error to accept (accept(2)).
bool is_dead_connection(long code) {
  switch (-code) {
    case ECONNABORTED:
    case EPROTO:
    case ENOPROTOOPT:
    case ENETDOWN:
    case ENETUNREACH:
    case ENONET:
    case EHOSTDOWN:
    case EHOSTUNREACH:
      return true;
    default:
      return false;
  }
}

}  // namespace

struct Listener::State {
  net::NetFd* fd;
  Addr local;
  bool unlink;
  net::FdKind accepted;  // what accept() makes
  std::atomic<std::uint64_t> backoffs{0};
  // The one accept() that pauses (it holds the read lock), so that close and set_deadline can end the pause.
  base::Mutex lock;
  sched::WaitHandle paused NETPOLL_GUARDED_BY(lock);
  bool closing NETPOLL_GUARDED_BY(lock) = false;

  void pause(std::int64_t ns);
  void end_pause(bool close);
};

void Listener::State::pause(std::int64_t ns) {
  if (const std::int64_t deadline = fd->read_deadline(); deadline > 0) {
    ns = std::clamp(deadline - base::nanotime(), std::int64_t{0}, ns);
  }
  sched::WaitHandle handle;
  {
    const base::MutexLock guard(lock);
    if (closing) return;
    handle = sched::begin_wait();
    paused = handle;
  }
  sched::HeapTimer timer;
  timer.when = detail::saturated_sum(base::nanotime(), ns);
  timer.callback = [](void* g, std::uint64_t generation) {
    sched::wake({static_cast<sched::G*>(g), generation}, sched::WakeResult::kTimeout);
  };
  timer.arg = handle.g;
  timer.seq = handle.generation;
  sched::start_timer(sched::current(), timer);
  sched::finish_wait(handle, WaitReason::kAcceptBackoff, /*cancelable=*/true);
  sched::stop_timer(timer);
  const base::MutexLock guard(lock);
  paused = {};
}

void Listener::State::end_pause(bool close) {
  sched::WaitHandle handle;
  {
    const base::MutexLock guard(lock);
    closing = closing || close;
    handle = paused;
  }
  if (handle.g != nullptr) sched::wake(handle, sched::WakeResult::kOk);
}

void Listener::StateDeleter::operator()(State* state) const {
  net::NetFd* fd = state->fd;
  if (state->unlink && fd->number() >= 0) net::unlink_path(state->local);
  fd->close();
  fd->unref();
  delete state;
}

Listener& Listener::operator=(Listener&& other) noexcept = default;
Listener::~Listener() = default;

Result<Listener> Listener::open(Fd fd, bool unlink_on_close, bool shared) {
  const Addr local = net::socket_name(fd.get());
  auto net_fd = net::NetFd::create(fd, net::FdKind::kListener, local, shared);
  if (!net_fd) return std::move(net_fd).error().within("listen " + local.str());
  net::FdKind accepted = net::FdKind::kSocket;
  if (local.is_ip() && !shared) accepted = net::FdKind::kTcp;
  if (local.family() == AF_UNIX) accepted = net::FdKind::kUnixStream;
  const bool unlink = unlink_on_close && !local.unix_path().empty();
  return Listener(std::unique_ptr<State, StateDeleter>(
      new State{.fd = *net_fd, .local = local, .unlink = unlink, .accepted = accepted}));
}

Result<Listener> Listener::listen(const Addr& address, const ListenOptions& options) {
  constexpr const char* kOperation = "listen";
  auto fd = net::make_socket(kOperation, address, SOCK_STREAM);
  if (!fd) return std::move(fd).error();
  const auto set = [&](int level, int option, int value, const char* what) {
    return net::set_option(kOperation, address, fd->get(), level, option, value, what);
  };
  if (address.is_ip()) {
    if (auto r = net::keep_address(kOperation, address, fd->get()); !r) return std::move(r).error();
    if (options.no_delay) {
      if (auto r = set(IPPROTO_TCP, TCP_NODELAY, 1, "TCP_NODELAY"); !r) return std::move(r).error();
    }
    if (address.family() == AF_INET6 && net::is_wildcard(address)) {
      if (auto r = set(IPPROTO_IPV6, IPV6_V6ONLY, 0, "IPV6_V6ONLY"); !r) return std::move(r).error();
    }
  }
  if (options.reuse_port) {
    if (auto r = net::share_port(kOperation, address, fd->get()); !r) return std::move(r).error();
  }
  if (auto r = net::run_control(kOperation, address, fd->get(), options.control); !r) return std::move(r).error();
  if (auto r = net::bind_socket(kOperation, address, fd->get()); !r) return std::move(r).error();
  if (const long r = net::sys(SYS_listen, fd->get(), options.backlog); r < 0) {
    return posix_error("listen " + address.str(), static_cast<int>(-r));
  }
  // Registered only now: an unconnected, not yet listening socket would be reported as hung up.
  return open(std::move(*fd), options.unlink_on_close, /*shared=*/false);
}

Result<Listener> Listener::listen(std::string_view address, const ListenOptions& options) {
  auto parsed = Addr::parse(address);
  if (!parsed) return std::move(parsed).error().within("listen");
  return listen(*parsed, options);
}

Result<Listener> Listener::adopt(Fd fd) {
  auto found = net::inspect(fd.get());
  if (!found) return std::move(found).error();
  if (!found->listening) {
    return Error(ErrorKind::kInvalid, "adopt fd " + std::to_string(fd.get()) + ": not a listening socket")
        .with_hint("use netpoll::Conn::adopt or netpoll::PacketConn::adopt");
  }
  if (auto set = net::make_nonblocking(fd.get(), *found); !set) return std::move(set).error();
  // Whoever handed it over may still have it, and its file.
  return open(std::move(fd), /*unlink_on_close=*/false, /*shared=*/true);
}

Result<Conn> Listener::accept() {
  if (state_ == nullptr) return Error(ErrorKind::kClosing, "accept");
  State& state = *state_;
  if (!state.fd->lock_read()) return net::io_error("accept " + state.local.str(), net::kIoClosing);
  Addr peer;
  long result;
  std::int64_t pause = kFirstPause;
  for (;;) {
    result = state.fd->accept_locked(peer);
    if (is_shortage(result)) {
      state.backoffs.fetch_add(1, std::memory_order_relaxed);
      state.pause(pause);
      pause = std::min(pause * 2, kLongestPause);
    } else if (!is_dead_connection(result)) {
      break;
    }
  }
  state.fd->unlock_read();
  if (result < 0) return net::io_error("accept " + state.local.str(), result);

  Fd fd(static_cast<int>(result));
  auto net_fd = net::NetFd::create(fd, state.accepted, peer, /*shared=*/false);
  if (!net_fd) return std::move(net_fd).error().within("accept " + state.local.str());
  return Conn(*net_fd);
}

Result<void> Listener::close() {
  if (state_ == nullptr) return Error(ErrorKind::kClosing, "close");
  State& state = *state_;
  // Unlinked first, as in Go: nobody may find the name of a socket that does not answer.
  if (state.unlink && state.fd->number() >= 0) net::unlink_path(state.local);
  state.end_pause(/*close=*/true);
  const long result = state.fd->close();
  if (result < 0) return net::io_error("close " + state.local.str(), result);
  return {};
}

Result<void> Listener::set_deadline(TimePoint deadline) {
  if (state_ == nullptr) return Error(ErrorKind::kClosing, "set deadline");
  const long result = state_->fd->set_deadline(1, deadline);
  if (result < 0) return net::io_error("set deadline " + state_->local.str(), result);
  state_->end_pause(/*close=*/false);
  return {};
}

const Addr& Listener::local() const {
  static const Addr nothing;
  return state_ != nullptr ? state_->local : nothing;
}

RawConn Listener::raw() const { return state_ != nullptr ? RawConn(state_->fd) : RawConn(); }

std::uint64_t Listener::backoffs() const {
  return state_ != nullptr ? state_->backoffs.load(std::memory_order_relaxed) : 0;
}

int Listener::fd() const { return state_ != nullptr ? state_->fd->number() : -1; }

}  // namespace netpoll
