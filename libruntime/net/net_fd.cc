// The life of a NetFd: open, close, and the references in between.
#include "libruntime/net/net_fd.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <new>
#include <optional>
#include <utility>

#include "libruntime/base/slab.h"
#include "libruntime/net/file_calls.h"
#include "libruntime/net/socket.h"
#include "libruntime/net/sys.h"
#include "libruntime/sched/scheduler.h"
#include "netpoll/go.h"

namespace netpoll::net {

namespace {
// Never destroyed: a NetFd may be dropped while the process ends.
base::Slab& slab() {
  static auto* const instance = new base::Slab;
  return *instance;
}
}  // namespace

void* NetFd::operator new(std::size_t size) {
  static_assert(sizeof(NetFd) <= base::Slab::kBlock);
  static_cast<void>(size);
  return slab().get();
}

void NetFd::operator delete(void* memory) { slab().put(memory); }

NetFd::NetFd(int fd, FdKind kind, const Addr& name, bool shared)
    : kind_(kind),
      drained_(kind != FdKind::kStream && kind != FdKind::kWriteOnly),
      exposed_(shared ? kShared : 0),
      name_(IpName::of(name)),
      sysfd_(fd) {}

Result<NetFd*> NetFd::create(Fd& fd, FdKind kind, const Addr& name, bool shared) {
  auto* net_fd = new NetFd(fd.get(), kind, name, shared);
  if (kind != FdKind::kFile) {
    poll::Netpoll& poller = poll::Netpoll::current();
    Result<poll::PollDesc*> pd = poller.open(fd.get());
    if (!pd) {
      delete net_fd;
      return std::move(pd).error();
    }
    net_fd->poller_ = &poller;
    net_fd->pd_ = *pd;
  }
  fd.release();
  return net_fd;
}

void NetFd::unref() {
  if (handles_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
}

long NetFd::close() {
  if (!mutex_.incref_and_close()) return kIoClosing;
  if (pd_ != nullptr) poller_->unblock(*pd_);
  if (mutex_.decref()) return destroy();
  if (goid() != 0) mutex_.wait_destroyed();
  return 0;
}

long NetFd::destroy() {
  if (pd_ != nullptr) poller_->close(*pd_, exposed_.load(std::memory_order_relaxed) != 0);
  const long result = sys(SYS_close, sysfd_);
  // Linux frees the number before anything can fail, so EINTR means "closed" and must not be retried.
  return result == -EINTR ? 0 : result;
}

void NetFd::destroy_and_notify() {
  destroy();
  mutex_.notify_destroyed();
}

long NetFd::io_code(poll::PollResult result) {
  switch (result) {
    case poll::PollResult::kOk:
      return 0;
    case poll::PollResult::kClosing:
      return kIoClosing;
    case poll::PollResult::kTimeout:
      return kIoTimeout;
    case poll::PollResult::kEnd:
      return 0;  // what read(2) says
    case poll::PollResult::kCanceled:
      break;
  }
  return kIoCanceled;
}

long NetFd::wait_readable() {
  if (kind_ == FdKind::kWriteOnly) return mutex_.closed() ? kIoClosing : -EBADF;
  if (!mutex_.lock(FdMutex::Lock::kRead)) return kIoClosing;
  long result = 0;
  while (must_wait(result)) {
    result = io_code(poller_->wait(*pd_, poll::Mode::kRead, this));
    if (waited(result)) break;
  }
  unlock(FdMutex::Lock::kRead);
  return result;
}

long NetFd::rest_until_readable(detail::RestingOperation*& op) {
  bool rested = std::exchange(sched::current_g()->rested, false);
  if (!rested) {
    if (kind_ == FdKind::kWriteOnly) return mutex_.closed() ? kIoClosing : -EBADF;
    if (!mutex_.lock(FdMutex::Lock::kRead)) return kIoClosing;
  }
  // Whoever rested has held the lock since then, and looked.
  long result = 0;
  while (rested || must_wait(result)) {
    std::optional<poll::PollResult> ended;
    if (rested) ended = poller_->rested(*pd_, poll::Mode::kRead, op, this);
    rested = false;
    while (!ended) ended = poller_->rest(*pd_, poll::Mode::kRead, op, this);
    result = io_code(*ended);
    // f is not called for nothing: it would park in its read, and keep its stack until the next request.
    if (waited(result) && (result != 0 || !poller_->tells_twice())) break;
  }
  unlock(FdMutex::Lock::kRead);
  return result;
}

long NetFd::file_read(FileState& state, void* buffer, std::size_t size, std::int64_t offset) {
  if (!mutex_.incref()) return kIoClosing;
  size = std::min(size, kMaxTransfer);
  long result;
  do {
    result = block_on([&] { return read_file(sysfd_, state, buffer, size, offset); });
  } while (result == -EINTR);
  release();
  return result;
}

long NetFd::file_write(FileState& state, const void* data, std::size_t size, std::int64_t offset) {
  if (!mutex_.incref()) return kIoClosing;
  const char* next = static_cast<const char*>(data);
  std::size_t left = size;
  long result = 0;
  while (left > 0) {
    const std::size_t chunk = std::min(left, kMaxTransfer);
    result = block_on([&] { return write_file(sysfd_, state, next, chunk, offset); });
    if (result == -EINTR) continue;
    if (result < 0) break;
    next += result;
    left -= static_cast<std::size_t>(result);
    if (offset >= 0) offset += result;
  }
  release();
  return result < 0 ? result : static_cast<long>(size);
}

long NetFd::shutdown(int how) {
  if (!is_socket()) return mutex_.closed() ? kIoClosing : -EOPNOTSUPP;
  if (!mutex_.incref()) return kIoClosing;
  const long result = sys(SYS_shutdown, sysfd_, how);
  if (result == 0 && how != SHUT_WR) poller_->end_reads(*pd_);
  release();
  return result;
}

long NetFd::set_deadline(unsigned modes, TimePoint deadline) {
  if (!mutex_.incref()) return kIoClosing;
  if (pd_ == nullptr) {
    release();
    return -EOPNOTSUPP;
  }
  std::int64_t when = 0;
  if (deadline != kNoDeadline) {
    when = detail::to_ns(deadline);
    if (when <= 0) when = -1;
  }
  poller_->set_deadline(*pd_, modes, when);
  release();
  return 0;
}

Addr NetFd::local() {
  Addr name;
  with_fd([&](int fd) { name = socket_name(fd); });
  return name;
}

Addr NetFd::peer() {
  if (kind_ == FdKind::kTcp) return name_.addr();
  Addr name;
  with_fd([&](int fd) { name = peer_name(fd); });
  return name;
}

std::string NetFd::describe(const char* operation) {
  Addr address = name_.addr();
  if (!address.valid() && is_socket()) address = peer();
  if (!address.valid() && (is_socket() || kind_ == FdKind::kListener)) address = local();
  if (address.valid()) return std::string(operation) + " " + address.str();
  return std::string(operation) + (kind_ == FdKind::kPipe ? " pipe fd " : " fd ") + std::to_string(sysfd_);
}

Error io_error(std::string context, long code) {
  switch (code) {
    case kIoClosing:
      return Error(ErrorKind::kClosing, std::move(context));
    case kIoTimeout:
      return Error(ErrorKind::kTimeout, std::move(context));
    case kIoCanceled:
      return Error(ErrorKind::kCanceled, std::move(context));
    default:
      return posix_error(std::move(context), static_cast<int>(-code));
  }
}

}  // namespace netpoll::net
