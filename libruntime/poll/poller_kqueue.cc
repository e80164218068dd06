// poller_kqueue.cc: macOS and the BSDs; NetBSD and OpenBSD since they have EVFILT_USER (OpenBSD: 2025).
//
// A registration is two knotes, EVFILT_READ and EVFILT_WRITE of the descriptor. Both exist from open() on:
//   edge     EV_CLEAR: each is reported when something new happens, for good;
//   oneshot  EV_DISPATCH: disabled, enabled by arm(), disabled by the kernel when it is reported;
//   level    disabled or enabled by arm() alone;
//   one that arm_edge() was called for: removed and made again with EV_CLEAR, for a kernel need not take over the flags
//            of a knote that it has.
// What we arm goes in with EV_ADD again: only that makes every kqueue look at the present state (with EV_ENABLE alone
// NetBSD and older FreeBSDs report what became ready meanwhile, not what still is). So a knote that somebody else
// deleted comes back with the next arm(), and arm() never says -ENOENT; nor does open() say -EEXIST, because EV_ADD
// replaces.
//
// EV_DISPATCH rather than EV_ONESHOT, so that close() can tell a knote that was reported from one that somebody
// removed.
//
// Facts from kqueue(2) of FreeBSD, macOS, NetBSD and OpenBSD, and their <sys/event.h>:
//   * close(2) removes the knotes of a descriptor, also when the file has other descriptors. libkqueue, which gives
//     Linux a kqueue on top of epoll, cannot know of a close (its issues 58 and 99): there we delete first. It also
//     starts a thread of its own, which releases kqueues whose descriptor was closed.
//   * The read filter says EV_EOF when no more will come, with data still to be read perhaps. When the reader of a pipe
//     goes, some kernels tell the writer through the read filter only (Go: netpoll_kqueue.go), so that end of file
//     counts for both directions; a writer who is woken in vain tries and waits again.
//   * Only macOS tells of urgent data (EV_OOBAND). A read stops at it, so elsewhere every readable event counts as a
//     possible hangup: reads then try before they park, as Go's do.
//   * macOS refuses timeouts of years (EINVAL), and has returned ETIMEDOUT for one that passed (golang/go#59679).
//   * Regular files are accepted, and then either always ready or reported once and never again (golang/go#19093);
//     so they are refused here.
#include <fcntl.h>
#include <sys/types.h>
// After the types it needs on the BSDs.
#include <sys/event.h>
#include <sys/stat.h>
#include <sys/time.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <ctime>

#include "libruntime/poll/poller_backends.h"
#include "netpoll/fd.h"

namespace netpoll::poll {
namespace {

static_assert(sizeof(void*) == sizeof(std::uint64_t), "a knote carries our data word in its udata");

using Knote = struct kevent;
using Flags = decltype(Knote::flags);

constexpr int kMaxBatch = 64;  // as Go's; a Knote is up to 64 bytes, and the stack that of a thread
constexpr std::uintptr_t kWakeIdent = 1;
constexpr timespec kLook{0, 0};
constexpr std::int64_t kLongestWait = 1'000'000'000'000'000;  // Go's: 11.5 days

#if defined(EV_OOBAND)
constexpr bool kTellsUrgent = true;
constexpr Flags kUrgent = EV_OOBAND;
#else
constexpr bool kTellsUrgent = false;
constexpr Flags kUrgent = 0;
#endif

// Linux has no kqueue of its own, so here it is a library.
#if defined(__linux__)
constexpr bool kForgetsClosedDescriptors = false;
#else
constexpr bool kForgetsClosedDescriptors = true;
#endif

// These calls say why they failed in errno, which is the thread's. Goroutines call us, and they move between threads; a
// function of its own, never inlined, reads the errno of the thread that made the call (base/syscall.h has the story).
[[gnu::noinline]] int kevent_result(int kq, const Knote* changes, int nchanges, Knote* events, int nevents,
                                    const timespec* timeout) {
  const int result = ::kevent(kq, changes, nchanges, events, nevents, timeout);
  return result < 0 ? -errno : result;
}

[[gnu::noinline]] int create_kqueue() {
  const int kq = ::kqueue();
  if (kq < 0) return -errno;
  // Not inherited by fork, but by exec.
  return ::fcntl(kq, F_SETFD, FD_CLOEXEC) < 0 ? -errno : kq;
}

// 0, or why fd is not for us: -EPERM for files that are always ready, or a bad descriptor.
[[gnu::noinline]] int check_kind(int fd) {
  struct stat status {};
  if (::fstat(fd, &status) < 0) return -errno;
  return S_ISREG(status.st_mode) || S_ISDIR(status.st_mode) || S_ISBLK(status.st_mode) ? -EPERM : 0;
}

void set(Knote& knote, std::uintptr_t ident, int filter, unsigned flags, std::uint64_t data) {
  EV_SET(&knote, ident, static_cast<decltype(knote.filter)>(filter), static_cast<Flags>(flags), 0, 0,
         reinterpret_cast<void*>(data));
}

class KqueuePoller final : public Poller {
 public:
  explicit KqueuePoller(Trigger trigger) : trigger_(trigger) {}

  int init() override {
    const int kq = create_kqueue();
    if (kq < 0) return kq;
    kq_.reset(kq);
    Knote wake;
    set(wake, kWakeIdent, EVFILT_USER, EV_ADD | EV_CLEAR | EV_RECEIPT, 0);
    const int result = change(&wake, 1);
    if (result < 0) kq_.reset();
    return result;
  }

  int open(int fd, std::uint64_t data) override {
    if (const int error = check_kind(fd); error < 0) return error;
    Knote knotes[2];
    const unsigned flags = EV_ADD | (trigger_ == Trigger::kEdge ? 0u : unsigned{EV_DISABLE});
    set_both(knotes, fd, trigger_, flags, flags, data);
    const int error = change(knotes, 2);
    if (error < 0) close(fd);  // one of the two may have gone in
    // What the filter of a device says that cannot be waited for, by kernel.
    for (const int refusal : {EINVAL, ENODEV, EOPNOTSUPP, ENOTSUP}) {
      if (error == -refusal) return -EPERM;
    }
    return error;
  }

  int arm(int fd, std::uint64_t data, std::uint32_t modes) override {
    // EV_DISABLE without EV_ADD: there the filter would have its say first (NetBSD), and that stray report would arm
    // the other direction once more. A knote that is missing needs no disabling.
    const auto flags = [&](std::uint32_t bit) -> unsigned {
      return (modes & bit) != 0 ? EV_ADD | EV_ENABLE : EV_DISABLE;
    };
    Knote knotes[2];
    set_both(knotes, fd, trigger_, flags(kReadBit), flags(kWriteBit), data);
    return change(knotes, 2, ENOENT);
  }

  int arm_edge(int fd, std::uint64_t data) override {
    if (const int error = close(fd); error < 0 && error != -ENOENT) return error;
    Knote knotes[2];
    set_both(knotes, fd, Trigger::kEdge, EV_ADD, EV_ADD, data);
    return change(knotes, 2);
  }

  int repair(int fd, std::uint64_t data) override { return open(fd, data); }

  int close(int fd) override {
    Knote knotes[2];
    set(knotes[0], static_cast<std::uintptr_t>(fd), EVFILT_READ, EV_DELETE | EV_RECEIPT, 0);
    set(knotes[1], static_cast<std::uintptr_t>(fd), EVFILT_WRITE, EV_DELETE | EV_RECEIPT, 0);
    return change(knotes, 2);
  }

  bool outlives_close(bool /*shared*/) const override { return !kForgetsClosedDescriptors; }

  int poll(std::int64_t delay_ns, Readiness* out, int max) override {
    const std::int64_t wait = std::min(delay_ns, kLongestWait);
    const timespec timeout{static_cast<time_t>(wait / 1'000'000'000), static_cast<long>(wait % 1'000'000'000)};
    Knote knotes[kMaxBatch];
    const int count =
        kevent_result(kq_.get(), nullptr, 0, knotes, std::min(max, kMaxBatch), delay_ns < 0 ? nullptr : &timeout);
    if (count < 0) return count == -EINTR || count == -ETIMEDOUT ? 0 : count;
    int used = 0;
    for (int i = 0; i < count; ++i) {
      if (static_cast<int>(knotes[i].filter) == static_cast<int>(EVFILT_USER)) {
        woken(delay_ns);
      } else {
        out[used++] = event_of(knotes[i]);
      }
    }
    return used;
  }

  void wake() override {
    std::uint32_t expected = 0;
    if (wake_pending_.compare_exchange_strong(expected, 1)) trigger_wake();
  }

  // fdinfo knows no knotes; and where kqueue is a library, its descriptor means nothing to anybody else.
  int debug_fd() const override { return -1; }

 private:
  // Applies count changes, each with EV_RECEIPT, so that no event is taken out and every change gets its own answer.
  // All are tried; the first failure is returned, other than `accepted`. EPIPE is none either: macOS says it of a pipe
  // whose other end is gone, and there the first try will find out.
  int change(Knote* knotes, int count, int accepted = 0) {
    const int answers = kevent_result(kq_.get(), knotes, count, knotes, count, &kLook);
    // A signal comes after the changes (kqueue(2): EINTR).
    if (answers < 0) return answers == -EINTR ? 0 : answers;
    for (int i = 0; i < answers; ++i) {
      const auto error = (knotes[i].flags & EV_ERROR) != 0 ? static_cast<int>(knotes[i].data) : 0;
      if (error != 0 && error != EPIPE && error != accepted) return -error;
    }
    return 0;
  }

  static void set_both(Knote* knotes, int fd, Trigger trigger, unsigned read_flags, unsigned write_flags,
                       std::uint64_t data) {
    unsigned common = EV_RECEIPT;
    if (trigger == Trigger::kEdge) common |= EV_CLEAR;
    if (trigger == Trigger::kOneshot) common |= EV_DISPATCH;
    const auto ident = static_cast<std::uintptr_t>(fd);
    // Urgent data is asked for where a read that it cut short would otherwise wait for ever.
    const unsigned urgent = trigger == Trigger::kEdge ? kUrgent : 0;
    set(knotes[0], ident, EVFILT_READ, common | read_flags | urgent, data);
    set(knotes[1], ident, EVFILT_WRITE, common | write_flags, data);
  }

  static Readiness event_of(const Knote& knote) {
    Readiness event{};
    event.data = reinterpret_cast<std::uint64_t>(knote.udata);
    const bool end = (knote.flags & EV_EOF) != 0;
    event.lasting = end || (knote.flags & EV_ERROR) != 0;
    if ((knote.flags & EV_ERROR) != 0) {
      event.modes = kReadBit | kWriteBit;
      event.hangup = true;
    } else if (static_cast<int>(knote.filter) == static_cast<int>(EVFILT_WRITE)) {
      // EV_EOF says that nobody reads any more, ourselves having shut down perhaps: nothing about what we can read.
      event.modes = kWriteBit;
    } else {
      event.modes = end ? kReadBit | kWriteBit : kReadBit;
      event.hangup = end || !kTellsUrgent || (knote.flags & kUrgent) != 0;
    }
    return event;
  }

  // The kernel has reset the wake knote when it reported it, to one poll. A look leaves it for the one that blocks.
  void woken(std::int64_t delay_ns) {
    if (delay_ns == 0) {
      trigger_wake();
    } else {
      wake_pending_.store(0);
    }
  }

  void trigger_wake() {
    Knote wake;
    set(wake, kWakeIdent, EVFILT_USER, 0, 0);
    wake.fflags = NOTE_TRIGGER;
    kevent_result(kq_.get(), &wake, 1, nullptr, 0, &kLook);
  }

  const Trigger trigger_;
  Fd kq_;
  std::atomic<std::uint32_t> wake_pending_{0};
};

}  // namespace

std::unique_ptr<Poller> make_kqueue_poller(Trigger trigger) { return std::make_unique<KqueuePoller>(trigger); }

}  // namespace netpoll::poll
