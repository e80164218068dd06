// poller.h: THE contract of a back end. One file per platform implements it (poller_epoll.cc, poller_kqueue.cc),
// poller_select.cc chooses, and nothing above this file knows any of them.
//
// There are two families, and both end in a Readiness for a pollDesc:
//
//   Readiness (epoll, kqueue): Poller. A descriptor is registered, and poll() reports which of its directions became
//   ready. Whoever wants to move bytes tries the system call, waits on EAGAIN, and tries again.
//
//   Completion (io_uring, IOCP): CompletionPoller. Nothing is registered. Whoever wants to move bytes submits an
//   Operation; from then on the kernel owns it and its buffers. It ends once, with bytes or an error, and poll()
//   reports the pollDesc and direction that it was submitted for. Close and deadlines take it back by cancel(), which
//   only asks: the operation still ends by itself, with what it had moved or with -ECANCELED, and until then nobody may
//   touch it, free it or let its buffers go (Netpoll::perform() sees to that). Waiting for mere readiness is an
//   operation too.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "netpoll/config.h"

struct iovec;

namespace netpoll::poll {

inline constexpr std::uint32_t kReadBit = 1;   // 1 << Mode::kRead
inline constexpr std::uint32_t kWriteBit = 2;  // 1 << Mode::kWrite

// Without initial values: every poll has room for many, and mostly returns one.
struct Readiness {
  std::uint64_t data;   // what open() was given
  std::uint32_t modes;  // kReadBit | kWriteBit
  bool hangup;          // the peer closed or reset, or sent urgent data; edges may have been merged with this one
  // An end or an error is among what is up. It cannot be masked and stays: every later arm() reports it again.
  bool lasting;
};

class CompletionPoller;

// Thread-safe: any number of threads call any of these at a time. Results are 0 (or a count), or -errno.
class Poller {
 public:
  virtual ~Poller() = default;

  // Creates the kernel object. Called before anything else, until it succeeds; a failure leaves no descriptor behind.
  virtual int init() = 0;

  // Called before init(), if at all: no two threads ever run goroutines at a time (Config::procs is 1).
  virtual void expect_one_p() {}

  // What a user may do about an init() that failed with this errno; null where nothing is known.
  virtual const char* hint(int) const { return nullptr; }

  // Registers fd under data. Edge trigger: both directions, for good; the current readiness is reported as a first
  // edge. Oneshot and level: no direction yet. -EPERM: this kind of file cannot be polled. -EEXIST: fd is registered
  // already, and not by us (we register a fd once per life).
  virtual int open(int fd, std::uint64_t data) = 0;

  // Oneshot and level: makes `modes` the directions of interest; the current readiness counts. In oneshot the kernel
  // forgets a direction when it reports it, and perhaps the other one with it (epoll does, kqueue does not); in level
  // they stay until the next arm(). -ENOENT: the registration is gone, where the kernel can tell.
  virtual int arm(int fd, std::uint64_t data, std::uint32_t modes) = 0;

  // Oneshot and level: makes this registration what open() makes with the edge trigger, until it is removed. For one
  // that would report something lasting with every arm(). -ENOENT as for arm().
  virtual int arm_edge(int fd, std::uint64_t data) = 0;

  // Replaces whatever is registered for fd by what open() would register; repairs foreign interference.
  virtual int repair(int fd, std::uint64_t data) = 0;

  // Removes the registration. -ENOENT: somebody else did. Needed only where outlives_close() says so.
  virtual int close(int fd) = 0;

  // Whether a registration survives close(2) of its descriptor, so that close() has to come first. shared: other
  // descriptors may refer to the same open file.
  virtual bool outlives_close(bool shared) const = 0;

  // Fills out with up to max events: delay_ns < 0 blocks, 0 looks, > 0 waits at most that long (rounded up to what the
  // platform can). Returns 0 early after wake() or a signal.
  virtual int poll(std::int64_t delay_ns, Readiness* out, int max) = 0;

  // Makes one blocked poll() return. Never blocks; calls until then are merged into one.
  virtual void wake() = 0;

  // The descriptor by which other tools find the registrations (/proc/PID/fdinfo), -1 where there is none.
  virtual int debug_fd() const = 0;

  // This back end when it is of the completion family, else null.
  virtual CompletionPoller* completion() { return nullptr; }
};

enum class OperationKind : std::uint8_t {
  kReceive,  // fills the buffers; 0 is the end of a stream. With address: whom a datagram came from
  kSend,     // from the buffers; may be short. With address: where a datagram goes
  kAccept,   // result: the new descriptor, non-blocking and close-on-exec. With address: the peer
  kConnect,  // to address
  kReady,    // moves nothing: ends when the descriptor is ready for `modes`
};

// One I/O operation. Whoever submits it fills in the first part and keeps it, on a goroutine's stack, until `done`; an
// idle connection of the readiness family has none. Signals of broken pipes are never raised.
struct Operation {
  OperationKind kind;
  // A hint: a try right now would find nothing, so that the back end may save it. kReady: an error or hang-up that is
  // up already was reported before and does not end it.
  bool expect_wait = false;
  // Set at the end. kReceive: the kernel knows of more to read. kReady: all that is up is an error or hang-up that
  // stays.
  bool more = false;
  // kReceive, kSend: fd is no socket but an end of a pipe. For systems whose pipes have calls of their own.
  bool pipe = false;
  int fd = -1;
  std::uint32_t modes = kReadBit;  // the direction whose waiter it ends: kReadBit or kWriteBit
  std::uint64_t data = 0;          // what open() was given
  const iovec* buffers = nullptr;  // kReceive, kSend
  std::size_t buffer_count = 0;
  void* address = nullptr;         // a sockaddr, or null
  std::uint32_t address_size = 0;  // of what is at address; where the kernel writes it, first the room there

  long result = 0;  // bytes, a descriptor, 0, or -errno
  // True once the back end is through with it: everything above may be read, and the Operation may go. Set with release
  // by poll(), as the last thing it does with it, before the Readiness that tells of it is returned; or by submit().
  std::atomic<bool> done{false};
  // The back end's own record of an operation under way: a msghdr, an OVERLAPPED.
  static constexpr std::size_t kSystemSize = 64;
  alignas(std::max_align_t) std::byte system[kSystemSize];
};

// A back end of the completion family. Registrations do not exist, so open() only says whether the descriptor can be
// used (-EPERM, -EBADF), close() does nothing, and triggers have no meaning. Thread-safe as Poller is.
class CompletionPoller : public Poller {
 public:
  // Starts op, whose fields are filled in and whose descriptor stays open until it is done. Cannot fail: what is wrong
  // comes as its result. One that ends at once may be done on return, and then no Readiness need follow. Returns true
  // when it only stands in a queue that the next poll() or flush() of any thread hands to the kernel. Ends in a
  // Readiness{op.data, op.modes} from some poll(), possibly before this returns.
  virtual bool submit(Operation& op) = 0;

  // Asks for op back, which the caller has submitted and not yet seen done. It ends soon, one way or the other. Returns
  // as submit() does.
  virtual bool cancel(Operation& op) = 0;

  // Whether an operation that reads, once under way, outlives the shutdown(2) of its socket's reading half, so that it
  // has to be cancelled.
  virtual bool outlives_shutdown() const { return false; }

  // Hands what is queued to the kernel, without waiting and without taking what is done.
  virtual void flush() = 0;

  // Whether something stands in the queue: a poll() that had completions to report may leave it there.
  virtual bool holds_back() const { return false; }

  CompletionPoller* completion() final { return this; }
  int close(int) final { return 0; }
  bool outlives_close(bool) const final { return false; }
  int arm(int, std::uint64_t, std::uint32_t) final { return 0; }
  int arm_edge(int, std::uint64_t) final { return 0; }
  int repair(int, std::uint64_t) final { return 0; }
};

// The back ends in this build; the first one is the platform's own.
std::span<const PollerKind> back_ends();

// The back end called kind; null when it is not in this build.
std::unique_ptr<Poller> make_poller(PollerKind kind, Trigger trigger);

}  // namespace netpoll::poll
