// net_fd.h: one descriptor as goroutines use it: take the lock, try the system call, on EAGAIN wait, try again
// (net_fd_io.cc); or, on a socket of a back end that completes operations, submit one and wait for its end
// (net_fd_completion.cc).
//
// Model: Go's internal/poll.FD. What Go does not do is the drain rule below, which saves the read that ends in EAGAIN
// before every park.
//
// The drain rule. On a stream, a read shorter than its buffer has emptied it (epoll(7), question 9), so the next read
// may park first and try after the event. Registration counts as "emptied" too, since the poller reports what is there
// already, except for adopted streams that are no sockets: a FIFO that has had no writer yet reads as its end, and no
// event says so. Three things break the proof and are watched for:
//  - A FIN or error that arrives before epoll_wait returns shares one edge with the data, and no second one
//    follows. The poller notes RDHUP, HUP and ERR in kInfoHangup, for good; from then on reads try first.
//  - Urgent data (TCP and Unix MSG_OOB) makes a read stop at the mark. The poller subscribes to PRI and notes
//    it the same way.
//  - Descriptors passed over a Unix socket end a read early. There recvmsg is used, whose MSG_CTRUNC tells.
// No prepare() may come between the short read and the wait, or it would wipe out the event that came in between.
// Datagrams, packet pipes and descriptors of unknown origin follow Go's order: try, then wait. So do writes: a short
// one nearly always means "full", but the price of being wrong is a goroutine that never wakes, and the gain one call
// per park of a writer.
#pragma once

#include <sys/socket.h>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "libruntime/net/fd_mutex.h"
#include "libruntime/net/ip_name.h"
#include "libruntime/poll/netpoll.h"
#include "netpoll/error.h"
#include "netpoll/fd.h"
#include "netpoll/go.h"
#include "netpoll/net/addr.h"
#include "netpoll/net/deadline.h"
#include "netpoll/result.h"

struct iovec;

namespace netpoll::net {

// The kernel moves at most this much per call (MAX_RW_COUNT is 2 GiB less a page), and a round number aligns pages.
inline constexpr std::size_t kMaxTransfer = std::size_t{1} << 30;

// Results of operations: >= 0 a count, > -4096 a negated errno, else one of these.
inline constexpr long kIoClosing = -5001;
inline constexpr long kIoTimeout = -5002;
inline constexpr long kIoCanceled = -5003;

// The Error for such a result.
Error io_error(std::string context, long code);

enum class FdKind : std::uint8_t {
  kSocket,  // any other socket: tries before it waits
  kTcp,     // an IPv4 or IPv6 stream
  kUnixStream,
  kPipe,       // the read end of a pipe made here
  kWriteOnly,  // a write end, made here or adopted: reads fail, and no event tells a reader so
  kListener,
  kDatagram,
  kStream,  // an adopted stream that is no socket: a pipe, a terminal
  kFile,    // not registered; operations may block and hand the P off
};

struct FileState;

// NetFd. Made with new by create(), freed when the last handle is dropped; a handle is one owner (Conn, Listener, ...)
// or one RawConn. The owner closes it before dropping its handle. Thread-safe: FdMutex sorts the operations.
class NetFd {
 public:
  // Takes fd, which must be non-blocking except for kFile, registers it with the current Runtime's poller, and returns
  // the owner's handle. On failure fd stays the caller's. name is what errors call it: the peer of a connection, else
  // the local address. shared: other descriptors may refer to the same open file.
  static Result<NetFd*> create(Fd& fd, FdKind kind, const Addr& name, bool shared);

  static void* operator new(std::size_t size);
  static void operator delete(void* memory);

  void ref() { handles_.fetch_add(1, std::memory_order_relaxed); }
  void unref();

  // First to call wins (0, or close(2)'s error); everybody later gets kIoClosing. Running and later operations end with
  // kIoClosing, and the winner waits until the last has left the descriptor. Outside of goroutines, where nobody can
  // park, it does not wait.
  long close();

  long read(void* buffer, std::size_t size);
  long readv(const iovec* buffers, std::size_t count);
  long write_all(const void* data, std::size_t size);
  long writev_all(const iovec* buffers, std::size_t count);
  long send_file(int file_fd, std::int64_t offset, std::size_t count);
  long recv_from(void* buffer, std::size_t size, Addr* from);
  long send_to(const void* data, std::size_t size, const Addr* to);
  // See Conn::wait_readable(). 0 or an error.
  long wait_readable();
  // The same for go_when_readable(): called first thing, and again each time the goroutine began anew, with the same
  // op. Returns when it need not wait; else the goroutine goes to rest.
  long rest_until_readable(detail::RestingOperation*& op);
  // One accepted descriptor (non-blocking, close-on-exec) and its peer, or an error. The caller holds the read lock.
  long accept_locked(Addr& peer);
  // Parks until the descriptor may be writable; 0 or an error. For connect, before anybody else knows the NetFd.
  long wait_write() { return io_code(poller_->wait(*pd_, poll::Mode::kWrite, this)); }
  // Where operations complete: connects and waits for it.
  long connect(const Addr& address);

  // A kFile's calls; offset < 0: at the position.
  long file_read(FileState& state, void* buffer, std::size_t size, std::int64_t offset);
  long file_write(FileState& state, const void* data, std::size_t size, std::int64_t offset);

  long shutdown(int how);
  long set_deadline(unsigned modes, TimePoint deadline);

  // Calls f(sysfd) with a reference held; kIoClosing when closed, else 0.
  template <typename F>
  long with_fd(F&& f) {
    if (!mutex_.incref()) return kIoClosing;
    f(sysfd_);
    release();
    return 0;
  }
  // Whether raw_loop() can wait for mode.
  bool waits_for(poll::Mode mode) const;
  // RawConn::read and write: calls f(sysfd) until it returns true, waiting for mode in between.
  template <typename F>
  long raw_loop(poll::Mode mode, F&& f) {
    const auto lock = mode == poll::Mode::kRead ? FdMutex::Lock::kRead : FdMutex::Lock::kWrite;
    if (!mutex_.lock(lock)) return kIoClosing;
    bool unused = false;
    bool& idle = mode == poll::Mode::kRead ? drained_ : unused;
    idle = false;  // f comes first: whatever was known of the stream, f may know better
    bool again = false;
    const long result = attempt(mode, idle, [&] {
      // IOCP tells of what is there as often as it is asked, so an f that leaves it there comes back without a park:
      // others run, one of whom may be whom it waits for.
      if (std::exchange(again, true) && completes()) yield();
      return f(sysfd_) ? 0L : static_cast<long>(-EAGAIN);
    });
    unlock(lock);
    return result;
  }
  bool lock_read() { return mutex_.lock(FdMutex::Lock::kRead); }
  void unlock_read() { unlock(FdMutex::Lock::kRead); }

  // From now on the open file may have other descriptors, and the stream may be something else than the kernel made it
  // (a TLS record layer), so that a short read proves nothing.
  void expose() { exposed_.store(kShared | kAltered, std::memory_order_relaxed); }

  Addr local();
  Addr peer();
  // "read 127.0.0.1:80": the operation and the peer, or the local address where there is none.
  std::string describe(const char* operation);
  // The Error of a failed operation.
  Error error(const char* operation, long code) { return io_error(describe(operation), code); }

  int sysfd() const { return sysfd_; }
  // For display: the number, -1 once closed.
  int number() const { return mutex_.closed() ? -1 : sysfd_; }
  // Of the read direction: 0 none, > 0 absolute ns of CLOCK_MONOTONIC, < 0 expired.
  std::int64_t read_deadline() const { return pd_->rd.load(std::memory_order_relaxed); }
  // Of a socket made, dialled or bound by us, or adopted: AF_INET, AF_INET6; AF_UNSPEC for everything else.
  int ip_family() const { return name_.family; }
  FdKind kind() const { return kind_; }

 private:
  NetFd(int fd, FdKind kind, const Addr& name, bool shared);
  ~NetFd() = default;

  // try -> EAGAIN -> wait -> try, until call() returns something else than EAGAIN.
  //
  // idle: a try would find nothing, and no event was consumed and no prepare() made since that became known. So the
  // wait comes first. Kept true when the wait fails, so that the call after a timeout parks first as well.
  //
  // Before a read an older readiness is forgotten. Before a write it is not: every edge of a reader tells of the room
  // for writing too, and to forget it each time takes two atomic operations per request. A writer that finds no room
  // may try once more for it.
  template <typename Call>
  long attempt(poll::Mode mode, bool& idle, Call&& call) {
    for (;;) {
      if (idle) {
        if (const poll::PollResult r = poller_->wait(*pd_, mode, this); r != poll::PollResult::kOk) return io_code(r);
        idle = false;
      }
      const poll::PollResult r =
          mode == poll::Mode::kRead ? poll::Netpoll::prepare(*pd_, mode) : poll::Netpoll::check(*pd_, mode);
      if (r != poll::PollResult::kOk) [[unlikely]]
        return io_code(r);
      const long result = call();
      if (result == -EAGAIN) {
        idle = true;
      } else if (result != -EINTR) {
        return result;
      }
    }
  }

  static long io_code(poll::PollResult result);
  // Whether a socket's I/O goes by operations. Streams that are no sockets are tried and waited for in both families.
  bool completes() const { return poller_->completes(); }
  // Whether its sends do. Unix datagrams and packets are tried first: io_uring of Linux 6.18 sends an empty one after
  // it had to wait (unix_dgram_sendmsg has consumed the buffer when it finds the receiver's queue full).
  bool completes_sends() const {
    return completes() && (kind_ == FdKind::kTcp || kind_ == FdKind::kUnixStream || name_.family != AF_UNSPEC);
  }
  // net_fd_completion.cc. Out of line, so that the frames of a parked reader of the other family do not widen.
  long complete(poll::Mode mode, poll::Operation& op);
  long complete_read(const iovec* buffers, std::size_t count);
  long complete_write(const iovec* buffers, std::size_t count);
  long complete_recv_from(void* buffer, std::size_t size, Addr* from);
  long complete_send_to(const void* data, std::size_t size, const Addr* to);
  long complete_accept(Addr& peer);
  long read_once(void* buffer, std::size_t size, bool& more);
  long readv_once(const iovec* buffers, std::size_t count, bool& more);
  long writev_once(const iovec* buffers, std::size_t count);
  // For a wait until it is readable, under the read lock: false with 0 or an error where there is no need to; and what
  // the end of the wait says, false: nothing, look again.
  bool must_wait(long& result);
  bool waited(long result);
  // Whether a short read proves that the next one would give EAGAIN.
  bool short_is_empty() const {
    return (kind_ == FdKind::kTcp || kind_ == FdKind::kUnixStream || kind_ == FdKind::kPipe) &&
           (exposed_.load(std::memory_order_relaxed) & kAltered) == 0;
  }
  // With a hang-up noted the edge that a drained stream waits for may be in the past.
  void forget_drained_after_hangup() {
    if (drained_ && (pd_->info.load(std::memory_order_acquire) & poll::kInfoHangup) != 0) drained_ = false;
  }
  bool is_socket() const { return kind_ <= FdKind::kUnixStream || kind_ == FdKind::kDatagram; }
  void release() {
    if (mutex_.decref()) destroy_and_notify();
  }
  void unlock(FdMutex::Lock lock) {
    if (mutex_.unlock(lock)) destroy_and_notify();
  }
  void destroy_and_notify();
  long destroy();

  // One cache line, in the order that makes it one: the flags lie in what FdMutex leaves of its last word.
  [[no_unique_address]] FdMutex mutex_;
  const FdKind kind_;
  // `idle` of attempt(), guarded by the read lock. Where operations complete: that one would have to wait.
  bool drained_;
  static constexpr std::uint8_t kShared = 1;
  static constexpr std::uint8_t kAltered = 2;
  std::atomic<std::uint8_t> exposed_;
  poll::Netpoll* poller_ = nullptr;  // null for kFile
  poll::PollDesc* pd_ = nullptr;
  IpName name_;
  const int sysfd_;
  std::atomic<std::uint32_t> handles_{1};
};

static_assert(sizeof(NetFd) == 64, "part of the price of an idle connection");

}  // namespace netpoll::net
