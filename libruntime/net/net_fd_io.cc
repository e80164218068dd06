// The reads and writes of NetFd, for back ends that report readiness.
//
// A stream whose reader is gone gives EPIPE and no SIGPIPE: sockets are written with MSG_NOSIGNAL, and around writes to
// anything else and sendfile, which have no such flag, the signal is blocked (sigpipe.h).
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>

#include "libruntime/net/net_fd.h"
#include "libruntime/net/sigpipe.h"
#include "libruntime/net/sys.h"
#include "netpoll/go.h"

namespace netpoll::net {
namespace {

// What one send_file call may move before other users of the thread get a chance (Go: maxSendfileSize).
constexpr std::size_t kMaxSendfile = std::size_t{4} << 20;

std::size_t total_size(const iovec* buffers, std::size_t count) {
  std::size_t total = 0;
  for (std::size_t i = 0; i < count; ++i) total += buffers[i].iov_len;
  return total;
}

}  // namespace

[[gnu::hot]] long NetFd::read(void* buffer, std::size_t size) {
  if (!mutex_.lock(FdMutex::Lock::kRead)) return kIoClosing;
  long result = 0;
  if (size > 0) {
    size = std::min(size, kMaxTransfer);
    if (completes() && is_socket()) [[unlikely]] {
      const iovec one{.iov_base = buffer, .iov_len = size};
      result = complete_read(&one, 1);
      unlock(FdMutex::Lock::kRead);
      return result;
    }
    bool more = false;
    forget_drained_after_hangup();
    result = attempt(poll::Mode::kRead, drained_, [&] { return read_once(buffer, size, more); });
    if (result > 0) drained_ = static_cast<std::size_t>(result) < size && !more && short_is_empty();
  }
  unlock(FdMutex::Lock::kRead);
  return result;
}

long NetFd::readv(const iovec* buffers, std::size_t count) {
  if (!mutex_.lock(FdMutex::Lock::kRead)) return kIoClosing;
  const std::size_t size = total_size(buffers, count);
  long result = 0;
  if (size > 0 && completes() && is_socket()) {
    result = complete_read(buffers, count);
  } else if (size > 0) {
    bool more = false;
    forget_drained_after_hangup();
    result = attempt(poll::Mode::kRead, drained_, [&] { return readv_once(buffers, count, more); });
    if (result > 0) drained_ = static_cast<std::size_t>(result) < size && !more && short_is_empty();
  }
  unlock(FdMutex::Lock::kRead);
  return result;
}

// more: the read was cut short by something else than the end of what was there.
[[gnu::hot]] long NetFd::read_once(void* buffer, std::size_t size, bool& more) {
  switch (kind_) {
    case FdKind::kUnixStream: {
      const iovec one{.iov_base = buffer, .iov_len = size};
      return readv_once(&one, 1, more);
    }
    case FdKind::kTcp:
    case FdKind::kSocket:
      return sys(SYS_recvfrom, sysfd_, buffer, size, 0, nullptr, nullptr);
    default:
      return sys(SYS_read, sysfd_, buffer, size);
  }
}

[[gnu::hot]] long NetFd::readv_once(const iovec* buffers, std::size_t count, bool& more) {
  if (kind_ != FdKind::kUnixStream) return sys(SYS_readv, sysfd_, buffers, count);
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(buffers);
  message.msg_iovlen = count;
  const long result = sys(SYS_recvmsg, sysfd_, &message, 0);
  more = result >= 0 && (message.msg_flags & MSG_CTRUNC) != 0;
  return result;
}

[[gnu::hot]] long NetFd::write_all(const void* data, std::size_t size) {
  if (!mutex_.lock(FdMutex::Lock::kWrite)) return kIoClosing;
  const char* next = static_cast<const char*>(data);
  std::size_t left = size;
  long result = 0;
  bool idle = false;
  while (left > 0) {
    const std::size_t chunk = std::min(left, kMaxTransfer);
    if (completes_sends()) [[unlikely]] {
      const iovec one{.iov_base = const_cast<char*>(next), .iov_len = chunk};
      result = complete_write(&one, 1);
    } else {
      result = attempt(poll::Mode::kWrite, idle, [&] {
        return is_socket() ? sys(SYS_sendto, sysfd_, next, chunk, MSG_NOSIGNAL, nullptr, 0)
                           : without_sigpipe(sysfd_, chunk, [&] { return sys(SYS_write, sysfd_, next, chunk); });
      });
    }
    if (result < 0) break;
    next += result;
    left -= static_cast<std::size_t>(result);
  }
  unlock(FdMutex::Lock::kWrite);
  return result < 0 ? result : static_cast<long>(size);
}

long NetFd::writev_once(const iovec* buffers, std::size_t count) {
  if (!is_socket()) {
    return without_sigpipe(sysfd_, total_size(buffers, count), [&] { return sys(SYS_writev, sysfd_, buffers, count); });
  }
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(buffers);
  message.msg_iovlen = count;
  return sys(SYS_sendmsg, sysfd_, &message, MSG_NOSIGNAL);
}

long NetFd::writev_all(const iovec* buffers, std::size_t count) {
  if (!mutex_.lock(FdMutex::Lock::kWrite)) return kIoClosing;
  constexpr std::size_t kWindow = 64;  // 1 KiB of a goroutine's stack
  iovec window[kWindow];
  std::size_t index = 0;   // the first buffer not yet fully written
  std::size_t offset = 0;  // what of it was written
  std::size_t total = 0;
  long result = 0;
  bool idle = false;
  for (;;) {
    std::size_t used = 0;
    std::size_t wanted = 0;
    for (std::size_t i = index; i < count && used < kWindow && wanted < kMaxTransfer; ++i) {
      const std::size_t skip = i == index ? offset : 0;
      if (buffers[i].iov_len == skip) continue;
      window[used].iov_base = static_cast<char*>(buffers[i].iov_base) + skip;
      window[used].iov_len = std::min(buffers[i].iov_len - skip, kMaxTransfer - wanted);
      wanted += window[used++].iov_len;
    }
    if (used == 0) break;
    result = completes_sends() ? complete_write(window, used)
                               : attempt(poll::Mode::kWrite, idle, [&] { return writev_once(window, used); });
    if (result < 0) break;
    total += static_cast<std::size_t>(result);
    std::size_t written = static_cast<std::size_t>(result);
    while (index < count && written >= buffers[index].iov_len - offset) {
      written -= buffers[index++].iov_len - offset;
      offset = 0;
    }
    offset += written;
  }
  unlock(FdMutex::Lock::kWrite);
  return result < 0 ? result : static_cast<long>(total);
}

long NetFd::send_file(int file_fd, std::int64_t offset, std::size_t count) {
  if (!mutex_.lock(FdMutex::Lock::kWrite)) return kIoClosing;
  std::size_t left = count;
  long result = 0;
  bool idle = false;
  while (left > 0) {
    const std::size_t chunk = std::min(left, kMaxSendfile);
    // The file may not be in the page cache, so the call may block however non-blocking the socket is.
    result = attempt(poll::Mode::kWrite, idle, [&] {
      return block_on([&] {
        return without_sigpipe(sysfd_, chunk, [&] { return sys(SYS_sendfile, sysfd_, file_fd, &offset, chunk); });
      });
    });
    if (result <= 0) break;  // 0: the file ends here
    left -= static_cast<std::size_t>(result);
  }
  unlock(FdMutex::Lock::kWrite);
  return result < 0 ? result : static_cast<long>(count - left);
}

long NetFd::recv_from(void* buffer, std::size_t size, Addr* from) {
  if (!mutex_.lock(FdMutex::Lock::kRead)) return kIoClosing;
  if (completes()) {
    const long result = complete_recv_from(buffer, size, from);
    unlock(FdMutex::Lock::kRead);
    return result;
  }
  sockaddr_storage storage;
  socklen_t storage_size = sizeof storage;
  const long result = attempt(poll::Mode::kRead, drained_, [&] {
    if (from == nullptr) return sys(SYS_recvfrom, sysfd_, buffer, size, 0, nullptr, nullptr);
    storage_size = sizeof storage;
    return sys(SYS_recvfrom, sysfd_, buffer, size, 0, &storage, &storage_size);
  });
  unlock(FdMutex::Lock::kRead);
  if (result >= 0 && from != nullptr) *from = Addr::from_sockaddr(reinterpret_cast<sockaddr*>(&storage), storage_size);
  return result;
}

long NetFd::send_to(const void* data, std::size_t size, const Addr* to) {
  if (!mutex_.lock(FdMutex::Lock::kWrite)) return kIoClosing;
  const auto send = [&] {
    return sys(SYS_sendto, sysfd_, data, size, MSG_NOSIGNAL, to != nullptr ? to->data() : nullptr,
               to != nullptr ? to->size() : 0);
  };
  long result;
  if (to != nullptr && to->family() == AF_UNIX) {
    // An unconnected Unix socket is writable for epoll even while the queue of the receiver it writes to is full, so
    // there is no event to wait for (unix_dgram_sendmsg wakes only connected peers). Waiting by the clock is all there
    // is; close and deadlines are seen between two tries.
    std::chrono::milliseconds pause{1};
    for (;;) {
      if (const auto r = poll::Netpoll::check(*pd_, poll::Mode::kWrite); r != poll::PollResult::kOk) {
        result = io_code(r);
        break;
      }
      result = send();
      if (result == -EINTR) continue;
      if (result != -EAGAIN) break;
      if (!sleep(pause)) {
        result = kIoCanceled;
        break;
      }
      pause = std::min(pause * 2, std::chrono::milliseconds{16});
    }
  } else if (completes_sends()) {
    result = complete_send_to(data, size, to);
  } else {
    bool idle = false;
    result = attempt(poll::Mode::kWrite, idle, send);
  }
  unlock(FdMutex::Lock::kWrite);
  return result;
}

long NetFd::accept_locked(Addr& peer) {
  if (completes()) return complete_accept(peer);
  sockaddr_storage storage;
  socklen_t size = sizeof storage;
  // After a success there may be more in the backlog without a further edge: the next accept tries first.
  const long result = attempt(poll::Mode::kRead, drained_, [&] {
    size = sizeof storage;
    return sys(SYS_accept4, sysfd_, &storage, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
  });
  if (result >= 0) peer = Addr::from_sockaddr(reinterpret_cast<sockaddr*>(&storage), size);
  return result;
}

bool NetFd::must_wait(long& result) {
  forget_drained_after_hangup();
  if (drained_) return true;
  // Nothing is known about the stream, so the kernel is asked; the one place where that costs a call of its own. What
  // it says is not what a read would find: a FIFO without a writer is not readable, and a read of it is at the end.
  if (const poll::PollResult r = poll::Netpoll::prepare(*pd_, poll::Mode::kRead); r != poll::PollResult::kOk) {
    result = io_code(r);
    return false;
  }
  do {
    pollfd pfd{.fd = sysfd_, .events = POLLIN, .revents = 0};
    timespec zero{};
    result = sys(SYS_ppoll, &pfd, 1, &zero, nullptr, 0);
  } while (result == -EINTR);
  if (result == 0) return true;
  if (result > 0) result = 0;
  return false;
}

bool NetFd::waited(long result) {
  if (result == 0) return std::exchange(drained_, false);
  if (kind_ != FdKind::kStream) drained_ = true;
  return true;
}

bool NetFd::waits_for(poll::Mode) const { return true; }

}  // namespace netpoll::net
