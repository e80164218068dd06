// Conn: a stream of bytes to somebody: TCP, Unix stream socket, pipe end, or an adopted descriptor.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>

#include "netpoll/fd.h"
#include "netpoll/net/addr.h"
#include "netpoll/net/deadline.h"
#include "netpoll/net/raw_conn.h"
#include "netpoll/result.h"

namespace netpoll {

class Conn;

namespace net {
class NetFd;
}
namespace detail {
struct RestingOperation;
// Conn::wait_readable() for a goroutine at the beginning of its function: called first thing, and each time that
// function was called anew, with the same operation, which is null at first. It does not return where it waits: the
// function is called anew, and everything but the closure is gone (when_readable.h).
Result<void> rest_until_readable(Conn& conn, RestingOperation*& operation);
}  // namespace detail

// Conn owns one open, non-blocking, registered descriptor. Reads and writes look like blocking calls and park the
// goroutine, never the thread. Call them from goroutines of the Runtime in which the Conn was made.
//
// Thread contract: any number of goroutines may call the same Conn at once. Reads exclude reads and writes exclude
// writes, in the order of arrival, so two large writes do not mix; reading, writing, deadlines and close() go in
// parallel. close() makes everybody else return kClosing and waits until those that hold the descriptor have let it go.
// The object itself, as any C++ object, must outlive the calls in it and must not be moved under them, and it must not
// outlive its Runtime.
//
// Errors: kClosing after or during close() (also for a default-constructed or moved-from Conn), kTimeout when a
// deadline has passed, kCanceled when the Runtime shuts down with kCancel, else the kernel's errno. Each names the
// operation and the address: "read 127.0.0.1:4242: connection reset by peer". EINTR is never seen. Writing to a stream
// whose reader is gone gives EPIPE and raises no SIGPIPE.
class Conn {
 public:
  Conn() = default;
  Conn(Conn&& other) noexcept : fd_(std::exchange(other.fd_, nullptr)) {}
  Conn& operator=(Conn&& other) noexcept;
  Conn(const Conn&) = delete;
  Conn& operator=(const Conn&) = delete;
  ~Conn();  // closes, dropping the error

  // Takes a descriptor from elsewhere: stdin, a socket from a service manager, an inherited pipe. Sets O_NONBLOCK when
  // it is missing; that flag belongs to the open file, so everybody who shares it sees it. On failure fd is closed.
  // kNotPollable for what epoll refuses (a regular file, a directory: use File), kInvalid for datagram sockets (use
  // PacketConn) and listening sockets (use Listener::adopt).
  //
  // On Windows: sockets, and ends of named pipes that were opened for overlapped calls and belong to no other
  // completion port. kNotPollable for all other handles.
  //
  // A FIFO that was opened for reading with O_NONBLOCK and has had no writer yet is at its end: read() gives 0, as
  // read(2) and Go's os.File do. wait_readable() waits for the first data, or for the first writer to leave again. (To
  // wait for a writer alone, open the FIFO without O_NONBLOCK in block_on().)
  static Result<Conn> adopt(Fd fd);

  // Reads at least one byte and at most buffer.size(); 0 is the end of the stream (or an empty buffer).
  Result<std::size_t> read(std::span<std::byte> buffer);
  // Fills the buffer. kEof when the stream ends before that; how much of the buffer was filled is then unknown.
  Result<void> read_full(std::span<std::byte> buffer);
  // One scattered read, see readv(2): at least one byte; 0 is the end of the stream. At most 1024 buffers.
  Result<std::size_t> readv(std::span<const iovec> buffers);

  // Writes all of data, parking as often as needed. After an error an unknown part of it was written.
  Result<std::size_t> write(std::span<const std::byte> data);
  Result<std::size_t> write(std::string_view data) { return write(std::as_bytes(std::span(data))); }
  // Writes all buffers in order; any number of them. Excludes other writers for the whole time.
  Result<std::size_t> writev(std::span<const iovec> buffers);

  // Sends count bytes of the regular file file_fd from offset on, without copying them through the process
  // (sendfile(2)). Returns fewer only when the file ends. The file's own position is not used.
  Result<std::size_t> send_file(int file_fd, std::int64_t offset, std::size_t count);

  // Parks until a read would probably not park (data, end of stream or an error is there), without holding a buffer.
  // A server with many idle connections waits first and takes a buffer then: 4 KiB less for each of them. EBADF for the
  // write end of a pipe.
  Result<void> wait_readable();

  // Closes. kClosing when that was already done.
  Result<void> close();
  // Shuts one half down, see shutdown(2): after close_write() the peer reads the end of the stream, and this side can
  // still read. close_read() ends a read under way, and later ones, with the end of the stream, after what has arrived
  // before; on Windows what nobody has read then is lost, and the peer may see a reset. On a pipe end they are
  // kNotSupported.
  Result<void> close_read();
  Result<void> close_write();

  // A deadline applies to all present and later calls of its direction, which return kTimeout once it has passed; a
  // time in the past takes effect at once. Setting a later one revives the Conn; kNoDeadline clears.
  Result<void> set_deadline(TimePoint deadline);
  Result<void> set_read_deadline(TimePoint deadline);
  Result<void> set_write_deadline(TimePoint deadline);

  // The two ends. Invalid addresses for pipes and unnamed Unix sockets, and local() after close.
  Addr local() const;
  Addr peer() const;

  RawConn raw() const;

  bool valid() const { return fd_ != nullptr; }
  // The descriptor's number, for display only; -1 when not valid. Use raw() to do something with it.
  int fd() const;

  // For the library itself: takes over the one owning handle of fd.
  explicit Conn(net::NetFd* fd) : fd_(fd) {}

 private:
  friend Result<void> detail::rest_until_readable(Conn& conn, detail::RestingOperation*& operation);

  net::NetFd* fd_ = nullptr;
};

}  // namespace netpoll
