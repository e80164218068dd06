// RawConn: a door to the descriptor for system calls that this library does not wrap.
#pragma once

#include <functional>
#include <utility>

#include "netpoll/result.h"

namespace netpoll {

namespace net {
class NetFd;
}

// RawConn is a second handle of a connection's or listener's descriptor, with the meaning of Go's syscall.RawConn. It
// does not keep the descriptor open: after the owner's close every call returns kClosing. Copyable, thread-safe.
//
// The fd is valid only while a callback runs and must not be kept or closed by it. Do not close the connection from
// inside a callback: close() would wait for the callback that waits for it. Callbacks must not park, except that
// control() holds no lock and may.
//
// On Windows the handle of a pipe takes overlapped calls alone. PeekNamedPipe tells what is there; a ReadFile wants an
// event in its OVERLAPPED with the lowest bit set, or its end would come to the Runtime's completion port.
//
// After first use the connection is treated as shared with somebody: it is deregistered by an explicit EPOLL_CTL_DEL at
// close (the callback may have duplicated the fd) and short reads are no longer taken as a proof that nothing is left.
class RawConn {
 public:
  RawConn() = default;
  explicit RawConn(net::NetFd* fd);
  RawConn(const RawConn& other);
  RawConn(RawConn&& other) noexcept : fd_(std::exchange(other.fd_, nullptr)) {}
  RawConn& operator=(RawConn other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~RawConn();

  // Calls f(fd) once: setsockopt, ioctl and the like. Does not exclude running reads and writes.
  Result<void> control(const std::function<void(int fd)>& f) const;

  // Calls f(fd), excluding other readers, until it returns true; parks until the fd may be readable each time it
  // returns false (its system call gave EAGAIN). Ends with kTimeout, kClosing or kCanceled like an ordinary read.
  // kInvalid for listeners.
  Result<void> read(const std::function<bool(int fd)>& f) const;
  // The same for writing. EOPNOTSUPP for pipes of Windows, where nothing waits for room.
  Result<void> write(const std::function<bool(int fd)>& f) const;

 private:
  net::NetFd* fd_ = nullptr;
};

}  // namespace netpoll
