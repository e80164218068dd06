// poller_uring.cc: Linux's io_uring (io_uring_setup(2), io_uring_enter(2)), spoken to without liburing: one ring,
// shared by all threads, is two counters and an array each way.
//
// Operations wait in the submission queue until somebody polls. An M that runs out of work submits what its round has
// queued and waits for completions by one system call, so that a request costs a fraction of one.
//
// Buffers are the caller's, not of a ring of provided ones: who reads has a buffer in any case (Conn::read), who wants
// none while nothing comes waits for readiness first, and bytes need not be copied a second time. Nothing is multishot:
// what nobody has asked for yet stays in the socket, where the peer feels it and RawConn finds it.
//
// SINGLE_ISSUER and DEFER_TASKRUN are not used: they tie a ring to one thread, and goroutines move between threads.
// COOP_TASKRUN is, with one P. The kernel then finishes an operation when the thread that submitted it next enters the
// kernel by itself, instead of interrupting it. While a goroutine computes on that thread there is no P to run anybody
// else on, and a look sees by TASKRUN_FLAG that it has to go and fetch. With several Ps an idle one would wait for what
// a computing one has submitted, until the next tick of the clock; so does, with one P, what a goroutine has submitted
// that now computes inside block_on.
//
// Whatever the flags, what a thread has submitted is finished by that thread, and by nobody while it sleeps in the
// kernel and cannot be interrupted (vfork(2) until the child executes something, a read or fsync(2) of a slow disk). So
// such a call inside block_on holds up the operations that its M has submitted, of whichever goroutines.
#include <linux/io_uring.h>
#include <linux/time_types.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <vector>

#include "libruntime/base/fatal.h"
#include "libruntime/base/syscall.h"
#include "libruntime/poll/poller_backends.h"
#include "libruntime/sched/random_step.h"
#include "netpoll/base/mutex.h"
#include "netpoll/fd.h"

namespace netpoll::poll {
namespace {

// What one round may queue without a system call of its own, and what may complete before the kernel keeps a list.
constexpr unsigned kSubmissions = 512;
constexpr unsigned kCompletions = 4096;
// A poll that finds completions makes no system call, unless so many submissions wait.
constexpr unsigned kManySubmissions = 128;

// user_data of what is no Operation; those are aligned.
constexpr std::uint64_t kWakeData = 1;
constexpr std::uint64_t kCancelData = 2;

// What the kernel must have: waits with a time limit, one mapping for both queues, completions that do not get lost,
// sockets that are waited for without a thread, and polls that report more than once. The last has no bit of its own,
// but came with that of RSRC_TAGS (Linux 5.13), which implies the rest.
constexpr unsigned kFeatures =
    IORING_FEAT_EXT_ARG | IORING_FEAT_SINGLE_MMAP | IORING_FEAT_NODROP | IORING_FEAT_FAST_POLL | IORING_FEAT_RSRC_TAGS;

std::atomic_ref<unsigned> counter(unsigned* word) { return std::atomic_ref<unsigned>(*word); }

// Memory shared with the kernel, unmapped at the end.
class Mapping {
 public:
  Mapping() = default;
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  ~Mapping() { reset(); }

  int map(int fd, std::size_t size, std::uint64_t offset) {
    const long address =
        base::sys(SYS_mmap, nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, offset);
    if (address < 0 && address > -4096) return static_cast<int>(address);
    data_ = reinterpret_cast<char*>(address);
    size_ = size;
    // A child must not submit to, or take from, its parent's ring.
    base::sys(SYS_madvise, data_, size_, MADV_DONTFORK);
    return 0;
  }
  void reset() {
    if (data_ != nullptr) base::sys(SYS_munmap, data_, size_);
    data_ = nullptr;
  }
  template <typename T>
  T* at(std::size_t offset) const {
    return reinterpret_cast<T*>(data_ + offset);
  }

 private:
  char* data_ = nullptr;
  std::size_t size_ = 0;
};

// Makes a ring with as many of the flags as this kernel knows.
long setup(unsigned entries, bool cooperative, io_uring_params& params) {
  constexpr unsigned kLeast = IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP;
  constexpr unsigned kUsual = kLeast | IORING_SETUP_SUBMIT_ALL;                                      // Linux 5.18
  constexpr unsigned kCooperative = kUsual | IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG;  // Linux 5.19
  long fd = -EINVAL;
  for (const unsigned flags : {kCooperative, kUsual, kLeast}) {
    if (flags == kCooperative && !cooperative) continue;
    params = {};
    params.flags = flags;
    params.cq_entries = kCompletions;
    fd = base::sys(SYS_io_uring_setup, entries, &params);
    if (fd != -EINVAL) break;
  }
  return fd;
}

// Whether receives may be told to wait first (RECVSEND_POLL_FIRST). It has no bit of its own, either, but came with
// IORING_OP_SOCKET (Linux 5.19); kernels before it, with the fixes of 5.18.10, answer such a receive by EINVAL. A
// filter that forbids to ask means no.
bool can_poll_first(int fd) {
  constexpr unsigned kCount = IORING_OP_SOCKET + 1;
  alignas(io_uring_probe) std::byte room[sizeof(io_uring_probe) + kCount * sizeof(io_uring_probe_op)] = {};
  const auto* const probe = new (room) io_uring_probe{};
  return base::sys(SYS_io_uring_register, fd, IORING_REGISTER_PROBE, room, kCount) == 0 &&
         (probe->ops[IORING_OP_SOCKET].flags & IO_URING_OP_SUPPORTED) != 0;
}

// kReady with expect_wait: a poll that reports what changes. Whether what was up already has been reported, which does
// not count unless it is what is waited for; where nothing was, the first report is news. And whether the wait has
// ended, while the rest is taken back. An error that takes the place of the one that was reported before, after the
// waiter looked and before this begins, is taken for that one: the kernel does not tell them apart.
struct EdgeWait {
  bool began = false;
  bool ended = false;
};

class UringPoller final : public CompletionPoller {
 public:
  int init() override {
    const int result = create();
    if (result < 0) {
      submissions_.reset();
      rings_.reset();
      ring_.reset();
    }
    return result;
  }

  void expect_one_p() override { cooperative_ = true; }

  const char* hint(int error) const override {
    switch (error) {
      case ENOSYS:
        return "io_uring needs Linux 5.13 or later, and no seccomp filter that hides it, as those of containers do";
      case EPERM:
      case EACCES:
        return "sysctl kernel.io_uring_disabled must be 0, and no seccomp filter may forbid io_uring, as those of "
               "containers do";
      case ENOMEM:
        return "raise the limit of locked memory (ulimit -l)";
      default:
        return nullptr;
    }
  }

  // io_uring takes any file, and reports those that are always ready as such. They are refused as epoll does it, so
  // that programs see the same with every back end.
  int open(int fd, std::uint64_t) override {
    int type = 0;
    socklen_t size = sizeof type;
    const long result = base::sys(SYS_getsockopt, fd, SOL_SOCKET, SO_TYPE, &type, &size);
    if (result != -ENOTSOCK) return static_cast<int>(result);
    const long epfd = base::sys(SYS_epoll_create1, EPOLL_CLOEXEC);
    if (epfd < 0) return static_cast<int>(epfd);
    const Fd judge(static_cast<int>(epfd));
    epoll_event event{};
    return static_cast<int>(base::sys(SYS_epoll_ctl, judge.get(), EPOLL_CTL_ADD, fd, &event));
  }

  bool submit(Operation& op) override {
    io_uring_sqe sqe;
    describe(op, sqe);
    const base::MutexLock lock(mutex_);
    put(sqe);
    return true;
  }

  bool cancel(Operation& op) override {
    const base::MutexLock lock(mutex_);
    put_cancel(op);
    return true;
  }

  void flush() override {
    if (const unsigned count = queued()) enter(count, 0, 0, nullptr);
  }

  // What is in the backlog found the queue full, and goes there first.
  bool holds_back() const override {
    return counter(submission_tail_).load(std::memory_order_relaxed) !=
           counter(submission_head_).load(std::memory_order_relaxed);
  }

  int poll(std::int64_t delay_ns, Readiness* out, int max) override {
    // First what is complete, then the mark: a wake sets it before its completion can be taken here.
    int used = take(delay_ns != 0, out, max);
    NETPOLL_STEP();
    if (delay_ns != 0 && wake_pending_.exchange(false)) delay_ns = 0;
    const unsigned count = queued();
    if (used > 0 && count < kManySubmissions) return used;
    if (used > 0) delay_ns = 0;
    if (delay_ns == 0) {
      // Completions that the kernel has kept, or that are finished only when somebody comes for them.
      const bool kept = (counter(submission_flags_).load(std::memory_order_relaxed) &
                         (IORING_SQ_CQ_OVERFLOW | IORING_SQ_TASKRUN)) != 0;
      if (count == 0 && !kept) return used;
      enter(count, 0, kept ? IORING_ENTER_GETEVENTS : 0u, nullptr);
      return used + take(false, out + used, max - used);
    }
    __kernel_timespec limit{delay_ns / 1'000'000'000, delay_ns % 1'000'000'000};
    io_uring_getevents_arg arg{};
    arg.ts = reinterpret_cast<std::uint64_t>(&limit);
    enter(count, 1, IORING_ENTER_GETEVENTS, delay_ns > 0 ? &arg : nullptr);
    NETPOLL_STEP();
    wake_pending_.store(false);
    NETPOLL_STEP();
    return take(true, out, max);
  }

  void wake() override {
    if (wake_pending_.exchange(true)) return;
    post_wake();
  }

  int debug_fd() const override { return -1; }

 private:
  int create() {
    io_uring_params params;
    const long fd = setup(kSubmissions, cooperative_, params);
    if (fd < 0) return static_cast<int>(fd);
    ring_.reset(static_cast<int>(fd));  // close-on-exec by itself
    if ((params.features & kFeatures) != kFeatures) return -ENOSYS;
    poll_first_ = can_poll_first(ring_.get());
    const std::size_t size = std::max(params.sq_off.array + params.sq_entries * sizeof(unsigned),
                                      params.cq_off.cqes + params.cq_entries * sizeof(io_uring_cqe));
    if (const int result = rings_.map(ring_.get(), size, IORING_OFF_SQ_RING); result < 0) return result;
    if (const int result = submissions_.map(ring_.get(), params.sq_entries * sizeof(io_uring_sqe), IORING_OFF_SQES);
        result < 0) {
      return result;
    }
    submission_head_ = rings_.at<unsigned>(params.sq_off.head);
    submission_tail_ = rings_.at<unsigned>(params.sq_off.tail);
    submission_flags_ = rings_.at<unsigned>(params.sq_off.flags);
    submission_count_ = params.sq_entries;
    sqes_ = submissions_.at<io_uring_sqe>(0);
    completion_head_ = rings_.at<unsigned>(params.cq_off.head);
    completion_tail_ = rings_.at<unsigned>(params.cq_off.tail);
    completion_mask_ = params.cq_entries - 1;
    cqes_ = rings_.at<io_uring_cqe>(params.cq_off.cqes);
    auto* const order = rings_.at<unsigned>(params.sq_off.array);
    for (unsigned i = 0; i < params.sq_entries; ++i) order[i] = i;
    return 0;
  }

  void describe(Operation& op, io_uring_sqe& sqe) const {
    sqe = {};
    sqe.fd = op.fd;
    sqe.user_data = reinterpret_cast<std::uint64_t>(&op);
    switch (op.kind) {
      case OperationKind::kReceive:
        message(op, sqe, IORING_OP_RECV, IORING_OP_RECVMSG);
        if (op.expect_wait && poll_first_) sqe.ioprio |= IORING_RECVSEND_POLL_FIRST;
        break;
      case OperationKind::kSend:
        message(op, sqe, IORING_OP_SEND, IORING_OP_SENDMSG);
        // A stream's: until everything is sent, in as many steps as that takes (Linux 5.19).
        sqe.msg_flags = MSG_NOSIGNAL | MSG_WAITALL;
        break;
      case OperationKind::kAccept:
        sqe.opcode = IORING_OP_ACCEPT;
        sqe.addr = reinterpret_cast<std::uint64_t>(op.address);
        sqe.addr2 = op.address != nullptr ? reinterpret_cast<std::uint64_t>(&op.address_size) : 0;
        sqe.accept_flags = SOCK_NONBLOCK | SOCK_CLOEXEC;
        break;
      case OperationKind::kConnect:
        sqe.opcode = IORING_OP_CONNECT;
        sqe.addr = reinterpret_cast<std::uint64_t>(op.address);
        sqe.off = op.address_size;
        break;
      case OperationKind::kReady:
        sqe.opcode = IORING_OP_POLL_ADD;
        sqe.poll32_events = wanted(op);
        if (op.expect_wait) {
          sqe.len = IORING_POLL_ADD_MULTI;
          new (op.system) EdgeWait{.began = !error_is_up(op.fd)};
        }
        break;
    }
  }

  // One buffer and no address take the call that has no message to copy.
  static void message(Operation& op, io_uring_sqe& sqe, io_uring_op plain, io_uring_op with_message) {
    if (op.buffer_count == 1 && op.address == nullptr) {
      sqe.opcode = plain;
      sqe.addr = reinterpret_cast<std::uint64_t>(op.buffers->iov_base);
      sqe.len = static_cast<unsigned>(op.buffers->iov_len);
      return;
    }
    static_assert(sizeof(msghdr) <= Operation::kSystemSize);
    auto* const header = new (op.system) msghdr{};
    header->msg_name = op.address;
    header->msg_namelen = op.address_size;
    header->msg_iov = const_cast<iovec*>(op.buffers);
    header->msg_iovlen = op.buffer_count;
    sqe.opcode = with_message;
    sqe.addr = reinterpret_cast<std::uint64_t>(header);
    sqe.len = 1;
  }

  // Or a hang-up; the kernel reports both whatever is asked for.
  static bool error_is_up(int fd) {
    pollfd asked{.fd = fd, .events = 0, .revents = 0};
    timespec zero{};
    return base::sys(SYS_ppoll, &asked, 1, &zero, nullptr, 0) > 0;
  }

  static unsigned wanted(const Operation& op) {
    return op.modes == kReadBit ? unsigned{POLLIN | POLLRDHUP} : unsigned{POLLOUT};
  }

  // What the queue holds, once the backlog is in it or with the kernel: who blocks afterwards leaves nothing behind,
  // for what completes next may be part of it. Where the kernel takes nothing now, blocking will not either.
  unsigned queued() {
    for (;;) {
      unsigned count = 0;
      {
        const base::MutexLock lock(mutex_);
        count = submission_count_ - refill();
        if (backlog_.empty()) return count;
      }
      if (enter(count, 0, 0, nullptr) <= 0) return count;
    }
  }

  // Moves what did not fit before into the queue, as far as there is room. Returns the room that is left.
  unsigned refill() NETPOLL_REQUIRES(mutex_) {
    const unsigned tail = counter(submission_tail_).load(std::memory_order_relaxed);
    unsigned room = submission_count_ - (tail - counter(submission_head_).load(std::memory_order_acquire));
    std::size_t moved = 0;
    while (room > 0 && moved < backlog_.size()) {
      put_in_ring(backlog_[moved++]);
      --room;
    }
    if (moved != 0) backlog_.erase(backlog_.begin(), backlog_.begin() + static_cast<std::ptrdiff_t>(moved));
    return room;
  }

  void put_in_ring(const io_uring_sqe& sqe) NETPOLL_REQUIRES(mutex_) {
    const unsigned tail = counter(submission_tail_).load(std::memory_order_relaxed);
    sqes_[tail & (submission_count_ - 1)] = sqe;
    counter(submission_tail_).store(tail + 1, std::memory_order_release);
  }

  void put(const io_uring_sqe& sqe) NETPOLL_REQUIRES(mutex_) {
    if (refill() == 0) {
      enter(submission_count_, 0, 0, nullptr);
      if (refill() == 0) {
        backlog_.push_back(sqe);
        return;
      }
    }
    put_in_ring(sqe);
  }

  void put_cancel(const Operation& op) NETPOLL_REQUIRES(mutex_) {
    io_uring_sqe sqe{};
    sqe.opcode = IORING_OP_ASYNC_CANCEL;
    sqe.fd = -1;
    sqe.addr = reinterpret_cast<std::uint64_t>(&op);
    sqe.user_data = kCancelData;
    put(sqe);
  }

  // An operation of no content, whose completion ends a blocked enter().
  void post_wake() {
    {
      io_uring_sqe sqe{};
      sqe.opcode = IORING_OP_NOP;
      sqe.fd = -1;
      sqe.user_data = kWakeData;
      const base::MutexLock lock(mutex_);
      put(sqe);
    }
    flush();
  }

  // Fails for the moment only. What does not pass, as a seccomp filter that came later, is fatal wherever it is
  // noticed: the next poll may be one that has begun long ago and never ends, as nobody can hand it anything any more.
  long enter(unsigned submit, unsigned wait_for, unsigned flags, const io_uring_getevents_arg* arg) {
    if (arg != nullptr) flags |= IORING_ENTER_EXT_ARG;
    const long result =
        base::sys(SYS_io_uring_enter, ring_.get(), submit, wait_for, flags, arg, arg != nullptr ? sizeof *arg : 0);
    // EAGAIN: no memory for a request right now; EBUSY: completions wait to be taken first.
    const bool passes = result >= 0 || result == -EINTR || result == -ETIME || result == -EAGAIN || result == -EBUSY;
    if (!passes) [[unlikely]] {
      const char* const advice = hint(static_cast<int>(-result));
      base::fatalf("netpoll: io_uring_enter failed: errno %ld%s%s", -result, advice != nullptr ? ": " : "",
                   advice != nullptr ? advice : "");
    }
    return result;
  }

  // Takes what is complete. blocked: by a poll that a wake is meant for.
  int take(bool blocked, Readiness* out, int max) {
    int used = 0;
    bool woken = false;
    {
      const base::MutexLock lock(mutex_);
      unsigned head = counter(completion_head_).load(std::memory_order_relaxed);
      const unsigned tail = counter(completion_tail_).load(std::memory_order_acquire);
      for (; head != tail && used < max; ++head) {
        const io_uring_cqe& cqe = cqes_[head & completion_mask_];
        if (cqe.user_data == kCancelData) continue;
        if (cqe.user_data == kWakeData) {
          woken = true;
          continue;
        }
        auto& op = *reinterpret_cast<Operation*>(cqe.user_data);
        if (op.kind == OperationKind::kReady && op.expect_wait && !end_edge_wait(op, cqe)) continue;
        finish(op, cqe, out[used++]);
      }
      counter(completion_head_).store(head, std::memory_order_release);
    }
    // A look took the wake of a poll that may be about to block.
    if (woken && !blocked && wake_pending_.load()) post_wake();
    return used;
  }

  static EdgeWait& edge_wait(Operation& op) { return *std::launder(reinterpret_cast<EdgeWait*>(op.system)); }

  static void finish(Operation& op, const io_uring_cqe& cqe, Readiness& out) {
    out = Readiness{op.data, op.modes, false, false};
    op.result = cqe.res;
    if (op.kind == OperationKind::kReceive) {
      op.more = (cqe.flags & IORING_CQE_F_SOCK_NONEMPTY) != 0;
      if (op.address != nullptr) op.address_size = std::launder(reinterpret_cast<msghdr*>(op.system))->msg_namelen;
    } else if (op.kind == OperationKind::kReady && cqe.res >= 0) {
      op.result = 0;
      // Nothing of what was asked for, but an error or a hang-up that stays.
      op.more = (static_cast<unsigned>(cqe.res) & wanted(op)) == 0;
    } else if (op.kind == OperationKind::kReady && op.expect_wait && edge_wait(op).ended) {
      op.result = 0;  // taken back by end_edge_wait()
    }
    op.done.store(true, std::memory_order_release);
  }

  // Whether cqe is the last one of op, which then is as finish() needs it.
  bool end_edge_wait(Operation& op, const io_uring_cqe& cqe) NETPOLL_REQUIRES(mutex_) {
    EdgeWait& wait = edge_wait(op);
    const bool last = (cqe.flags & IORING_CQE_F_MORE) == 0;
    if (last) {
      // Taken back, here or by its goroutine.
      return true;
    }
    const bool counts = wait.began || (static_cast<unsigned>(cqe.res) & wanted(op)) != 0;
    wait.began = true;
    if (counts && !wait.ended) {
      wait.ended = true;
      put_cancel(op);
    }
    return false;
  }

  bool cooperative_ = false;
  bool poll_first_ = false;
  base::Mutex mutex_;
  Fd ring_;
  Mapping rings_;
  Mapping submissions_;
  unsigned* submission_head_ = nullptr;
  unsigned* submission_tail_ = nullptr;
  unsigned* submission_flags_ = nullptr;
  unsigned submission_count_ = 0;
  io_uring_sqe* sqes_ = nullptr;
  unsigned* completion_head_ = nullptr;
  unsigned* completion_tail_ = nullptr;
  unsigned completion_mask_ = 0;
  const io_uring_cqe* cqes_ = nullptr;
  std::vector<io_uring_sqe> backlog_ NETPOLL_GUARDED_BY(mutex_);  // what found the queue full
  std::atomic<bool> wake_pending_{false};
};

}  // namespace

std::unique_ptr<Poller> make_uring_poller(Trigger) { return std::make_unique<UringPoller>(); }

}  // namespace netpoll::poll
