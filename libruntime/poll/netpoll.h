// netpoll.h: the platform-independent half of the poller: pollDescs, their rg/wg semaphores, deadlines and close.
// Model: Go 1.19 runtime/netpoll.go; differences are explained in libruntime/HACKING.md.
//
// Life of a descriptor, as net/ uses it:
//   open -> { prepare(mode); try the system call; on EAGAIN wait(mode); retry }* -> unblock -> (last reference) close
// With a back end of the completion family perform() stands for the loop in braces (poller.h); wait() works there too.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <unordered_set>

#include "libruntime/poll/poll_cache.h"
#include "libruntime/poll/poll_desc.h"
#include "libruntime/poll/poller.h"
#include "libruntime/sched/poll_source.h"
#include "libruntime/sched/scheduler.h"
#include "netpoll/result.h"

namespace netpoll::detail {
// What the kernel works on while a goroutine rests (netpoll/net/when_readable.h); public headers know its name.
struct RestingOperation {
  poll::Operation operation;
};
}  // namespace netpoll::detail

namespace netpoll::poll {

enum class PollResult : std::uint8_t {
  kOk,
  kClosing,   // the descriptor is being closed
  kTimeout,   // the deadline of that direction has passed
  kCanceled,  // the runtime shuts down with kCancel
  kEnd,       // perform() only: the reading half was shut down while the operation was under way
};

// The Error of an init() that failed with this errno.
Error no_poller(const Poller& poller, int error);

// One object per Runtime, over any Poller. The scheduler sees it as its PollSource, for sched does not know poll; net/
// calls it by name. Thread-safe.
class Netpoll final : public sched::PollSource {
 public:
  // poller is not initialised yet; that happens at the first registration.
  Netpoll(sched::Scheduler& scheduler, std::unique_ptr<Poller> poller);

  // Of the calling goroutine's Runtime; fatal elsewhere.
  static Netpoll& current() { return static_cast<Netpoll&>(sched::current().poll_source()); }

  // --- for net/
  // Registers fd (open, non-blocking) and returns its pollDesc. kNotPollable where the platform refuses (EPERM).
  Result<PollDesc*> open(int fd);

  // Why I/O in this direction must not even be tried, if so.
  static PollResult check(const PollDesc& pd, Mode mode) {
    return reason(pd.info.load(std::memory_order_seq_cst) & (mode == Mode::kRead ? kInfoNoRead : kInfoNoWrite));
  }

  // Before a try: check(), and forgets an older readiness of mode, so that wait() sees only what comes after this call.
  // Only the one waiter of a direction moves kPdReady away, so a plain look saves the write in the common case.
  static PollResult prepare(PollDesc& pd, Mode mode) {
    const PollResult result = check(pd, mode);
    if (result != PollResult::kOk) return result;
    auto& semaphore = pd.semaphore(mode);
    if (semaphore.load(std::memory_order_relaxed) != kPdNil) semaphore.store(kPdNil, std::memory_order_seq_cst);
    return PollResult::kOk;
  }

  // Parks the calling goroutine until mode is ready, its deadline passes or the descriptor closes. One waiter per
  // direction (the fd mutex sees to it); a second one is fatal ("double wait"). Without a prepare() before it, a
  // readiness noted since the last wait() ends it at once: that is how a read that follows a short read parks first.
  //
  // owner: what the goroutine looks at first when it goes on, for prefetching; only the address counts.
  PollResult wait(PollDesc& pd, Mode mode, const void* owner = nullptr);

  // wait() for a goroutine whose function can be called again, in two halves. Between them it has no stack (see
  // Scheduler::rest()), and op, which lies in its closure and was null, may own what the kernel works on.
  //
  // rest(): returns only where there is no need to wait: as wait(), or nothing, to be called again. rested(): first
  // thing after the goroutine began anew, with the same arguments; the same results.
  std::optional<PollResult> rest(PollDesc& pd, Mode mode, detail::RestingOperation*& op, const void* owner);
  std::optional<PollResult> rested(PollDesc& pd, Mode mode, detail::RestingOperation*& op, const void* owner);

  // Whether I/O goes by perform().
  bool completes() const { return completion_ != nullptr; }
  // Whether several threads may be told of the same input, so that one of them says so when it has been read: level
  // triggers, until the direction is disarmed.
  bool tells_twice() const { return completion_ == nullptr && trigger_ == Trigger::kLevel; }

  // Completion family: submits op (op.data and op.modes are set here) and parks the calling goroutine until it is done.
  // kOk: op.result says how it ended. Else nothing was moved: pd may not be used (op was not submitted), or op was
  // taken back. In every case the kernel has given op and its buffers back. One waiter per direction, as with wait().
  PollResult perform(PollDesc& pd, Mode mode, Operation& op, const void* owner = nullptr);

  // To be called after the shutdown(2) of the reading half of pd's socket. Ends an operation that reads with kEnd, and
  // a wait as if there were something to read, in the back ends that would let them wait on; later ones are submitted
  // and end as the kernel says.
  void end_reads(PollDesc& pd);

  // Sets (> 0, absolute ns CLOCK_MONOTONIC), clears (0) or expires (< 0, and > 0 in the past) the deadline of the
  // directions in `modes` (1 read, 2 write, 3 both). An expired deadline unblocks its waiter before this returns.
  void set_deadline(PollDesc& pd, unsigned modes, std::int64_t when);

  // First half of close: every present and later wait returns kClosing. Called once.
  void unblock(PollDesc& pd);

  // Second half, by the last reference: gives the pollDesc back; the caller then closes the fd. `shared`: the open file
  // may live on in another descriptor (dup, fork, RawConn), and with it what the kernel has registered.
  void close(PollDesc& pd, bool shared);

  // --- sched::PollSource
  bool initialized() const override { return initialized_.load(std::memory_order_acquire); }
  std::uint32_t waiters() const override { return waiters_.load(std::memory_order_relaxed); }
  void poll(std::int64_t delay_ns, sched::GList& out) override;
  void wake() override;
  void flush() override;
  void cancel_all() override;
  void audit() override;

  // --- for debug
  // Called once, with the descriptor other tools may look at, when the poller was created.
  void on_initialized(std::function<void(int)> callback) { on_initialized_ = std::move(callback); }

  const PollCache& cache() const { return cache_; }

 private:
  static constexpr std::uint32_t kInfoNoRead = kInfoClosing | kInfoCanceled | kInfoReadExpired;
  static constexpr std::uint32_t kInfoNoWrite = kInfoClosing | kInfoCanceled | kInfoWriteExpired;
  // The first reason among these bits of PollDesc::info, in the order of Go's netpollcheckerr.
  static PollResult reason(std::uint32_t bits) { return bits == 0 ? PollResult::kOk : first_reason(bits); }
  static PollResult first_reason(std::uint32_t bits);
  // check() for who waits already.
  static PollResult check_wait(const PollDesc& pd, Mode mode) {
    return reason(pd.info.load(std::memory_order_seq_cst) &
                  (mode == Mode::kRead ? kInfoNoRead | kInfoReadShut : kInfoNoWrite));
  }

  bool announce(PollDesc& pd, Mode mode);
  bool commit(sched::G* g, PollDesc& pd, Mode mode, const void* owner);
  static bool collect(PollDesc& pd, Mode mode);
  bool block(PollDesc& pd, Mode mode, const void* owner, bool regardless = false);
  bool block_at_rest(PollDesc& pd, Mode mode, const void* owner);
  PollResult wait_noted(PollDesc& pd, Mode mode, const void* owner);
  PollResult perform_once(PollDesc& pd, Mode mode, Operation& op, const void* owner);
  PollResult start(PollDesc& pd, Mode mode, Operation& op);
  PollResult finish(PollDesc& pd, Mode mode, Operation& op, const void* owner);
  std::optional<PollResult> finish_rest(PollDesc& pd, Mode mode, detail::RestingOperation*& op, const void* owner);
  static Operation readiness(const PollDesc& pd);
  static void note_lasting(PollDesc& pd, bool lasting);
  void wait_regardless(PollDesc& pd, Mode mode, const void* owner);
  PollResult wait_by_operation(PollDesc& pd, Mode mode, const void* owner);
  sched::G* take_waiter(PollDesc& pd, Mode mode, bool io_ready);
  void ready(sched::G* g, PollDesc& pd, Mode mode);
  void prefetch_event(const Readiness* events, int count, int i) const;
  void on_event(const Readiness& event, trace::Lane& lane, sched::GList& out);
  void arm(PollDesc& pd, Mode mode);
  int tell_interest(PollDesc& pd) NETPOLL_REQUIRES(pd.lock);
  std::uint32_t after_delivery(PollDesc& pd, std::uint32_t modes) NETPOLL_REQUIRES(pd.lock);
  sched::HeapTimer& timer_of(PollDesc& pd, Mode mode) NETPOLL_REQUIRES(pd.lock);
  void change_deadline(PollDesc& pd, Mode mode, std::int64_t when, sched::G** unblocked) NETPOLL_REQUIRES(pd.lock);
  void deadline_passed(PollDesc& pd, Mode mode, std::uint64_t life);
  void found_foreign(PollDesc& pd, std::int32_t fd, ForeignCtl kind);
  int initialize();
  void wait_without_poller(std::int64_t delay_ns);
  struct Comparison;
  Comparison compare_registrations() const;
  bool ever_ours(std::uint64_t data) const;

  sched::Scheduler& scheduler_;
  const Trigger trigger_;
  std::unique_ptr<Poller> poller_;
  CompletionPoller* const completion_;  // poller_ when it is of that family
  PollCache cache_;
  std::atomic<std::uint32_t> waiters_{0};
  std::atomic<bool> initialized_{false};
  std::atomic<std::uint32_t> woken_{0};  // futex of wait_without_poller(): 1 once that is to end
  std::atomic<bool> canceled_{false};
  std::function<void(int)> on_initialized_;
  base::Mutex init_mutex_;
  base::Mutex audit_mutex_;
  std::unordered_set<int> foreign_fds_ NETPOLL_GUARDED_BY(audit_mutex_);  // reported already
};

}  // namespace netpoll::poll
