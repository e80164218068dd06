// netpoll.cc: the pollDesc protocol. Model: Go 1.19 runtime/netpoll.go.
//
// Where we differ from Go, and why:
//   * A timer is not moved when its deadline moves later (the common case, once per request): it fires at its old time,
//     finds that the deadline lies ahead, and starts again for it. So no sequence per deadline is needed either: what
//     counts is whether the deadline that stands now has passed.
//   * An event carries index and life number of the pollDesc (32 bits each) instead of a tagged pointer; a foreign data
//     word is then found out, not dereferenced.
//   * Back ends of the completion family: an operation is taken back before its goroutine goes on (perform()), as Go
//     does on Windows (internal/poll/fd_windows.go, execIO).
//   * RDHUP, HUP and ERR are remembered per pollDesc (kInfoHangup), so that net/ may trust a short read otherwise.
//   * An event of ERR alone is readiness like any other: the try tells what it means, and may find nothing. Go ends the
//     read with ErrNotPollable, also on a live socket whose error queue got an entry (ERR cannot be masked,
//     epoll_ctl(2)).
#include <cerrno>
#include <mutex>

#include "libruntime/base/clock.h"
#include "libruntime/base/fatal.h"
#include "libruntime/base/futex.h"
#include "libruntime/base/thread.h"
#include "libruntime/poll/netpoll.h"
#include "libruntime/sched/random_step.h"

namespace netpoll::poll {
namespace {

constexpr int kBatch = 128;
// A deadline farther away than this lies in the future whatever the coarse clock says.
constexpr std::int64_t kSurelyFuture = 1'000'000'000;

// How often the process has forked, and each child holds every open file until it executes something else or ends.
// Wraps.
std::atomic<std::uint16_t> forks{0};

void count_forks() {
  static std::once_flag once;
  // Before the fork rather than after it: no close may take place in between that does not know.
  std::call_once(once, [] { base::before_each_fork([] { forks.fetch_add(1); }); });
}

std::uint32_t bit(Mode mode) { return 1u << static_cast<std::uint32_t>(mode); }
std::uint32_t expired_bit(Mode mode) { return mode == Mode::kRead ? kInfoReadExpired : kInfoWriteExpired; }
std::atomic<std::int64_t>& deadline(PollDesc& pd, Mode mode) { return mode == Mode::kRead ? pd.rd : pd.wd; }

}  // namespace

Error no_poller(const Poller& poller, int error) {
  Error failure = posix_error("netpoll: create a poller", error);
  const char* hint = poller.hint(error);
  return hint != nullptr ? std::move(failure).with_hint(hint) : failure;
}

PollResult Netpoll::first_reason(std::uint32_t bits) {
  if ((bits & kInfoClosing) != 0) return PollResult::kClosing;
  if ((bits & kInfoCanceled) != 0) return PollResult::kCanceled;
  if ((bits & (kInfoReadExpired | kInfoWriteExpired)) != 0) return PollResult::kTimeout;
  return PollResult::kEnd;
}

Netpoll::Netpoll(sched::Scheduler& scheduler, std::unique_ptr<Poller> poller)
    : scheduler_(scheduler),
      trigger_(poller->completion() != nullptr ? Trigger::kEdge : scheduler.config().trigger),
      poller_(std::move(poller)),
      completion_(poller_->completion()) {
  if (scheduler.config().procs == 1) poller_->expect_one_p();
  count_forks();
}

int Netpoll::initialize() {
  if (initialized()) return 0;
  {
    const base::MutexLock lock(init_mutex_);
    if (initialized()) return 0;
    if (const int result = poller_->init(); result < 0) return result;
    if (on_initialized_) on_initialized_(poller_->debug_fd());
    initialized_.store(true, std::memory_order_seq_cst);
  }
  // Whoever waits without it goes there now.
  if (woken_.exchange(1, std::memory_order_seq_cst) == 0) base::futex_wake(woken_);
  return 0;
}

// What poll() and wake() are before there is a poller. As there, a wake that comes first is not lost and a look takes
// none.
void Netpoll::wait_without_poller(std::int64_t delay_ns) {
  if (delay_ns == 0) return;
  if (!initialized_.load(std::memory_order_seq_cst)) base::futex_wait(woken_, 0, delay_ns);
  woken_.exchange(0, std::memory_order_seq_cst);
}

void Netpoll::wake() {
  if (initialized_.load(std::memory_order_seq_cst)) {
    poller_->wake();
  } else if (woken_.exchange(1, std::memory_order_seq_cst) == 0) {
    base::futex_wake(woken_);
  }
}

Result<PollDesc*> Netpoll::open(int fd) {
  if (const int result = initialize(); result < 0) return no_poller(*poller_, -result);
  PollDesc* pd = cache_.get();
  if (pd == nullptr) return posix_error("netpoll: pollDesc", ENOMEM);
  {
    const base::MutexLock lock(pd->lock);
    if (pd->rg.load(std::memory_order_relaxed) > kPdReady || pd->wg.load(std::memory_order_relaxed) > kPdReady) {
      base::fatal("netpoll: blocked goroutine on a free pollDesc");
    }
    pd->rg.store(kPdNil, std::memory_order_relaxed);
    pd->wg.store(kPdNil, std::memory_order_relaxed);
    pd->rd.store(0, std::memory_order_relaxed);
    pd->wd.store(0, std::memory_order_relaxed);
    pd->armed = 0;
    pd->edge = false;
    pd->forks = forks.load();
    pd->info.store(0, std::memory_order_seq_cst);
    pd->fd.store(fd, std::memory_order_seq_cst);
  }
  NETPOLL_STEP();
  if (canceled_.load(std::memory_order_seq_cst)) pd->info.fetch_or(kInfoCanceled, std::memory_order_seq_cst);
  int result = poller_->open(fd, pd->event_data());
  if (result == -EEXIST) {
    // A fd leaves the epoll set with its last close, so somebody else added it. Take it over, and say so.
    found_foreign(*pd, fd, ForeignCtl::kAdded);
    result = poller_->repair(fd, pd->event_data());
  }
  if (result < 0) {
    cache_.put(*pd);
    if (result == -EPERM) return Error(ErrorKind::kNotPollable, "register fd " + std::to_string(fd));
    return posix_error("register fd " + std::to_string(fd), -result);
  }
  {
    const base::MutexLock lock(pd->lock);
    pd->info.fetch_or(kInfoRegistered, std::memory_order_seq_cst);
  }
  NETPOLL_TRACE(scheduler_.lane(), fd_register, NETPOLL_ARG(pd->index), NETPOLL_ARG(fd), NETPOLL_ARG(0));
  return pd;
}

[[gnu::hot]] PollResult Netpoll::wait(PollDesc& pd, Mode mode, const void* owner) {
  if (completion_ != nullptr) [[unlikely]]
    return wait_by_operation(pd, mode, owner);
  return wait_noted(pd, mode, owner);
}

[[gnu::always_inline]] inline PollResult Netpoll::wait_noted(PollDesc& pd, Mode mode, const void* owner) {
  for (;;) {
    if (const PollResult result = check_wait(pd, mode); result != PollResult::kOk) return result;
    if (block(pd, mode, owner)) return PollResult::kOk;
    // Woken without readiness: closed, cancelled or timed out, which check_wait() says; or a deadline that fired and
    // was set anew before this goroutine ran: then wait on.
  }
}

// Go: pollWaitCanceled. Returns when mode is ready, or when something else has ended a wait that was under way.
void Netpoll::wait_regardless(PollDesc& pd, Mode mode, const void* owner) {
  block(pd, mode, owner, /*regardless=*/true);
}

PollResult Netpoll::perform(PollDesc& pd, Mode mode, Operation& op, const void* owner) {
  for (;;) {
    op.done.store(false, std::memory_order_relaxed);
    const PollResult result = perform_once(pd, mode, op, owner);
    // io_uring takes operations back when the thread ends that handed them over, which may be one of the program's: it
    // set a deadline, say, and woke a poll. Nothing was moved.
    if (result != PollResult::kOk || op.result != -ECANCELED) [[likely]]
      return result;
  }
}

// kOk with -ECANCELED: it came back unasked.
inline PollResult Netpoll::perform_once(PollDesc& pd, Mode mode, Operation& op, const void* owner) {
  if (const PollResult result = start(pd, mode, op); result != PollResult::kOk) return result;
  return finish(pd, mode, op, owner);
}

// kOk: the kernel has it, or it is done already.
inline PollResult Netpoll::start(PollDesc& pd, Mode mode, Operation& op) {
  if (const PollResult result = prepare(pd, mode); result != PollResult::kOk) return result;
  op.data = pd.event_data();
  op.modes = bit(mode);
  if (completion_->submit(op)) queued_.store(kNew, std::memory_order_seq_cst);
  return PollResult::kOk;
}

// Waits until it is done, or takes it back.
inline PollResult Netpoll::finish(PollDesc& pd, Mode mode, Operation& op, const void* owner) {
  if (op.done.load(std::memory_order_acquire)) return PollResult::kOk;
  // A readiness without op being done is of an earlier operation, whose goroutine did not wait for it: it saw `done`
  // when close or a deadline had woken it.
  PollResult result;
  do {
    result = wait_noted(pd, mode, owner);
    if (op.done.load(std::memory_order_acquire)) return PollResult::kOk;
  } while (result == PollResult::kOk);
  if (completion_->cancel(op)) queued_.store(kNew, std::memory_order_seq_cst);
  while (!op.done.load(std::memory_order_acquire)) wait_regardless(pd, mode, owner);
  return op.result == -ECANCELED ? result : PollResult::kOk;
}

// The operation that waits for mere readiness.
Operation Netpoll::readiness(const PollDesc& pd) {
  // As in arm(): who waits after a report of something lasting has tried in vain.
  const bool lasting = (pd.info.load(std::memory_order_relaxed) & kInfoLasting) != 0;
  return {.kind = OperationKind::kReady, .expect_wait = lasting, .fd = pd.fd.load(std::memory_order_relaxed)};
}

void Netpoll::note_lasting(PollDesc& pd, bool lasting) {
  if (((pd.info.load(std::memory_order_relaxed) & kInfoLasting) != 0) == lasting) return;
  const base::MutexLock lock(pd.lock);
  if (lasting) {
    pd.info.fetch_or(kInfoLasting, std::memory_order_seq_cst);
  } else {
    pd.info.fetch_and(~std::uint32_t{kInfoLasting}, std::memory_order_seq_cst);
  }
}

PollResult Netpoll::wait_by_operation(PollDesc& pd, Mode mode, const void* owner) {
  Operation op = readiness(pd);
  const PollResult result = perform(pd, mode, op, owner);
  if (result == PollResult::kOk) note_lasting(pd, op.more);
  return result == PollResult::kEnd ? PollResult::kOk : result;
}

std::optional<PollResult> Netpoll::rest(PollDesc& pd, Mode mode, detail::RestingOperation*& op, const void* owner) {
  if (completion_ == nullptr) {
    if (const PollResult result = check_wait(pd, mode); result != PollResult::kOk) return result;
    if (block_at_rest(pd, mode, owner)) return PollResult::kOk;
    return std::nullopt;
  }
  if (op == nullptr) {
    op = new detail::RestingOperation{readiness(pd)};
    if (const PollResult result = start(pd, mode, op->operation); result != PollResult::kOk) {
      delete std::exchange(op, nullptr);
      return result;
    }
  }
  while (!op->operation.done.load(std::memory_order_acquire) && check_wait(pd, mode) == PollResult::kOk) {
    block_at_rest(pd, mode, owner);
  }
  return finish_rest(pd, mode, op, owner);
}

std::optional<PollResult> Netpoll::rested(PollDesc& pd, Mode mode, detail::RestingOperation*& op, const void* owner) {
  const bool ready = collect(pd, mode);
  if (op != nullptr && op->operation.done.load(std::memory_order_acquire)) return finish_rest(pd, mode, op, owner);
  if (ready && op == nullptr) return PollResult::kOk;
  // As in wait_noted().
  const PollResult result = check_wait(pd, mode);
  if (result == PollResult::kOk) return std::nullopt;
  return op != nullptr ? finish_rest(pd, mode, op, owner) : result;
}

// It is done, or taken back here. Nothing, as in perform(): it came back unasked.
std::optional<PollResult> Netpoll::finish_rest(PollDesc& pd, Mode mode, detail::RestingOperation*& op,
                                               const void* owner) {
  const PollResult result = finish(pd, mode, op->operation, owner);
  const std::unique_ptr<detail::RestingOperation> done(std::exchange(op, nullptr));
  if (result != PollResult::kOk) return result == PollResult::kEnd ? PollResult::kOk : result;
  if (done->operation.result == -ECANCELED) return std::nullopt;
  note_lasting(pd, done->operation.more);
  return PollResult::kOk;
}

void Netpoll::flush() {
  queued_.store(kNothing, std::memory_order_seq_cst);
  completion_->flush();
}

// Says that a goroutine is about to wait. True: no need, the direction is ready.
[[gnu::always_inline]] inline bool Netpoll::announce(PollDesc& pd, Mode mode) {
  auto& semaphore = pd.semaphore(mode);
  if (trigger_ != Trigger::kEdge && semaphore.load(std::memory_order_relaxed) == kPdNil) arm(pd, mode);
  for (;;) {
    NETPOLL_STEP();
    std::uint64_t state = semaphore.load(std::memory_order_acquire);
    if (state == kPdReady) {
      if (semaphore.compare_exchange_strong(state, kPdNil, std::memory_order_seq_cst)) return true;
      continue;
    }
    if (state != kPdNil) base::fatal("netpoll: double wait");
    if (semaphore.compare_exchange_strong(state, kPdWait, std::memory_order_seq_cst)) break;
  }
  NETPOLL_STEP();
  return false;
}

// On g0, after it left its stack. False: what it waits for has happened meanwhile.
[[gnu::always_inline]] inline bool Netpoll::commit(sched::G* g, PollDesc& pd, Mode mode, const void* owner) {
  // The count goes up first: once the G is visible it may be woken, and the count go down, at any moment.
  waiters_.fetch_add(1, std::memory_order_seq_cst);
  NETPOLL_STEP();
  g->first_needed[0].store(&pd, std::memory_order_relaxed);
  g->first_needed[1].store(owner, std::memory_order_relaxed);
  std::uint64_t expected = kPdWait;
  if (pd.semaphore(mode).compare_exchange_strong(expected, reinterpret_cast<std::uint64_t>(g),
                                                 std::memory_order_seq_cst)) {
    return true;
  }
  waiters_.fetch_sub(1, std::memory_order_seq_cst);
  return false;
}

// How it ended: whether the direction is ready.
[[gnu::always_inline]] inline bool Netpoll::collect(PollDesc& pd, Mode mode) {
  const std::uint64_t old = pd.semaphore(mode).exchange(kPdNil, std::memory_order_seq_cst);
  if (old > kPdWait) base::fatal("netpoll: corrupted pollDesc");
  return old == kPdReady;
}

// Go: netpollblock. Returns whether the direction is ready. Inlined: one frame less on the stack of every parked
// reader. regardless: of close, deadline and cancellation, which have been seen.
[[gnu::always_inline]] inline bool Netpoll::block(PollDesc& pd, Mode mode, const void* owner, bool regardless) {
  if (announce(pd, mode)) return true;
  // Look again now that kPdWait is visible: whoever closes or expires after this look finds kPdWait (publish rule).
  if (regardless || check_wait(pd, mode) == PollResult::kOk) {
    struct Arg {
      Netpoll* self;
      PollDesc* pd;
      Mode mode;
      const void* owner;
    } arg{this, &pd, mode, owner};
    sched::Scheduler::park(
        [](sched::G* g, void* opaque) {
          const auto* a = static_cast<const Arg*>(opaque);
          return a->self->commit(g, *a->pd, a->mode, a->owner);
        },
        &arg, WaitReason::kIoWait, pd.index, pd.fd.load(std::memory_order_relaxed), static_cast<std::uint32_t>(mode));
  }
  return collect(pd, mode);
}

// As block(), but returns only where there is no need to wait: who waited calls collect() when it began anew.
bool Netpoll::block_at_rest(PollDesc& pd, Mode mode, const void* owner) {
  if (announce(pd, mode)) return true;
  if (check_wait(pd, mode) == PollResult::kOk) {
    // All that the commit needs lies in the G, for the stack is somebody else's by then.
    sched::current_g()->first_needed[1].store(owner, std::memory_order_relaxed);
    sched::Scheduler::rest(
        [](sched::G* g, void* desc) {
          auto& self = static_cast<Netpoll&>(g->scheduler->poll_source());
          const auto waited = static_cast<Mode>(g->wait_mode.load(std::memory_order_relaxed));
          return self.commit(g, *static_cast<PollDesc*>(desc), waited,
                             g->first_needed[1].load(std::memory_order_relaxed));
        },
        &pd, WaitReason::kIoWait, pd.index, pd.fd.load(std::memory_order_relaxed), static_cast<std::uint32_t>(mode));
  }
  return collect(pd, mode);
}

// Go: netpollunblock. Moves the semaphore to kPdReady (io_ready) or kPdNil and returns the G that was parked, which the
// caller makes runnable and takes out of waiters_; null if none was.
[[gnu::hot]] sched::G* Netpoll::take_waiter(PollDesc& pd, Mode mode, bool io_ready) {
  auto& semaphore = pd.semaphore(mode);
  std::uint64_t old = semaphore.load(std::memory_order_seq_cst);
  for (;;) {
    NETPOLL_STEP();
    if (old == kPdReady) return nullptr;
    if (old == kPdNil && !io_ready) return nullptr;
    if (semaphore.compare_exchange_weak(old, io_ready ? kPdReady : kPdNil, std::memory_order_seq_cst)) break;
  }
  return old > kPdWait ? reinterpret_cast<sched::G*>(old) : nullptr;
}

void Netpoll::ready(sched::G* g, PollDesc& pd, Mode mode) {
  if (g != nullptr) {
    waiters_.fetch_sub(1, std::memory_order_seq_cst);
    scheduler_.ready(g, pd.index, pd.fd.load(std::memory_order_relaxed), static_cast<std::uint32_t>(mode));
  }
}

[[gnu::hot]] void Netpoll::poll(std::int64_t delay_ns, sched::GList& out) {
  if (!initialized()) {
    wait_without_poller(delay_ns);
    if (sched::current_m() == nullptr) scheduler_.begin_external_ready();
    return;
  }
  trace::Lane& lane = scheduler_.lane();
  NETPOLL_TRACE(lane, poll_enter, NETPOLL_ARG(delay_ns));
  if (scheduler_.debug().polltrace) base::log_line("POLL enter timeout=%lld", static_cast<long long>(delay_ns));
  Readiness events[kBatch];
  if (queued_.load(std::memory_order_relaxed) != kNothing) queued_.store(kNothing, std::memory_order_seq_cst);
  const int count = poller_->poll(delay_ns, events, kBatch);
  if (completion_ != nullptr && completion_->holds_back()) queued_.store(kLeft, std::memory_order_seq_cst);
  NETPOLL_TRACE(lane, poll_exit, NETPOLL_ARG(count));
  if (scheduler_.debug().polltrace) base::log_line("POLL exit n=%d", count);
  if (count < 0) base::fatalf("netpoll: poll failed: errno %d", -count);
  if (sched::current_m() == nullptr) scheduler_.begin_external_ready();
  const std::uint32_t before = out.size;
  for (int i = 0; i < count; ++i) {
    prefetch_event(events, count, i);
    on_event(events[i], lane, out);
  }
  if (out.size != before) waiters_.fetch_sub(out.size - before, std::memory_order_seq_cst);
}

// With many connections neither pollDesc nor G of an event is in the caches any more. Prefetches, while event i is
// handled, the pollDesc of a later event, and the G that waits for reading at one in between, whose pollDesc was
// prefetched some events ago.
inline void Netpoll::prefetch_event(const Readiness* events, int count, int i) const {
  constexpr int kAhead = 4;
  if (i + 2 * kAhead < count) {
    if (const PollDesc* pd = cache_.at(static_cast<std::uint32_t>(events[i + 2 * kAhead].data)))
      __builtin_prefetch(pd, 1);
  }
  if (i + kAhead < count) {
    if (const PollDesc* pd = cache_.at(static_cast<std::uint32_t>(events[i + kAhead].data))) {
      __builtin_prefetch(reinterpret_cast<const void*>(pd->rg.load(std::memory_order_relaxed)), 1);
    }
  }
}

[[gnu::hot]] void Netpoll::on_event(const Readiness& event, trace::Lane& lane, sched::GList& out) {
  const auto index = static_cast<std::uint32_t>(event.data);
  const auto life = static_cast<std::uint32_t>(event.data >> 32);
  PollDesc* pd = cache_.at(index);
  if (pd == nullptr) {
    // No pollDesc ever had this index: somebody registered a descriptor of his own with our poller.
    NETPOLL_TRACE(lane, foreign_ctl, NETPOLL_ARG(index), NETPOLL_ARG(-1), NETPOLL_ARG(ForeignCtl::kModified));
    return;
  }
  NETPOLL_STEP();
  if (pd->seq.load(std::memory_order_seq_cst) != life) {
    NETPOLL_TRACE(lane, stale_event, NETPOLL_ARG(index), NETPOLL_ARG(pd->fd.load()));
    return;
  }
  std::uint32_t modes = event.modes;
  if (event.hangup || trigger_ != Trigger::kEdge) {
    const base::MutexLock lock(pd->lock);
    if (pd->seq.load(std::memory_order_relaxed) != life) return;
    std::uint32_t info = pd->info.load(std::memory_order_relaxed);
    if (event.hangup) info |= kInfoHangup;
    if (trigger_ != Trigger::kEdge) info = event.lasting ? info | kInfoLasting : info & ~kInfoLasting;
    pd->info.store(info, std::memory_order_seq_cst);
    if (trigger_ != Trigger::kEdge && !pd->edge) modes = after_delivery(*pd, modes);
  }
  // Between the look at seq and here the pollDesc may have begun a new life. Its goroutine is then woken once for
  // nothing: it tries, gets EAGAIN and waits again.
  for (const Mode mode : {Mode::kRead, Mode::kWrite}) {
    if ((modes & bit(mode)) == 0) continue;
    sched::G* g = take_waiter(*pd, mode, true);
    if (g == nullptr) continue;
    NETPOLL_TRACE(lane, ready, NETPOLL_ARG(g->goid.load(std::memory_order_relaxed)), NETPOLL_ARG(index),
                  NETPOLL_ARG(pd->fd.load(std::memory_order_relaxed)), NETPOLL_ARG(mode));
    out.push_back(g);
  }
}

// Oneshot and level: makes sure that mode is armed before its goroutine waits. A direction that still counts as armed
// although the kernel has just reported it needs nothing: that report is on its way and ends the wait.
//
// Whoever waits after a report of something lasting has tried, or will be told at once and try in vain: an error queue
// with an entry that nobody takes. Armed again and again the two would chase each other for ever, so the registration
// goes over to edges, which come once each.
void Netpoll::arm(PollDesc& pd, Mode mode) {
  const base::MutexLock lock(pd.lock);
  if (pd.edge || (pd.armed & bit(mode)) != 0) return;
  pd.edge = (pd.info.load(std::memory_order_relaxed) & kInfoLasting) != 0;
  pd.armed = pd.edge ? std::uint8_t{0} : static_cast<std::uint8_t>(pd.armed | bit(mode));
  const std::int32_t fd = pd.fd.load(std::memory_order_relaxed);
  int result = tell_interest(pd);
  if (result == -ENOENT) {
    found_foreign(pd, fd, ForeignCtl::kRemoved);
    poller_->repair(fd, pd.event_data());
    result = tell_interest(pd);
  }
  if (result < 0) base::fatalf("netpoll: cannot arm fd %d: errno %d", fd, -result);
  NETPOLL_TRACE(scheduler_.lane(), rearm, NETPOLL_ARG(pd.index), NETPOLL_ARG(fd), NETPOLL_ARG(mode));
}

// Oneshot and level: tells the kernel what pd waits for.
int Netpoll::tell_interest(PollDesc& pd) {
  const std::int32_t fd = pd.fd.load(std::memory_order_relaxed);
  return pd.edge ? poller_->arm_edge(fd, pd.event_data()) : poller_->arm(fd, pd.event_data(), pd.armed);
}

// Oneshot and level: the kernel reported `modes`. Oneshot has disarmed them at least, level nothing; what
// another goroutine still waits for is armed, what was delivered is not. Returns the directions to deliver: armed ones
// only, for nobody waits for others, and in level two threads may poll the same report before the first of them
// disarms.
std::uint32_t Netpoll::after_delivery(PollDesc& pd, std::uint32_t modes) {
  const std::uint32_t delivered = modes & pd.armed;
  if (pd.armed == 0 || (pd.info.load(std::memory_order_relaxed) & kInfoClosing) != 0) return delivered;
  if (trigger_ == Trigger::kLevel && delivered == 0) return 0;
  pd.armed = static_cast<std::uint8_t>(pd.armed & ~delivered);
  // The result does not matter: a registration that is gone is found by the next arm().
  if (trigger_ == Trigger::kLevel || pd.armed != 0) tell_interest(pd);
  return delivered;
}

void Netpoll::set_deadline(PollDesc& pd, unsigned modes, std::int64_t when) {
  sched::G* unblocked[2] = {nullptr, nullptr};
  {
    const base::MutexLock lock(pd.lock);
    if ((pd.info.load(std::memory_order_relaxed) & kInfoClosing) != 0) return;
    for (const Mode mode : {Mode::kRead, Mode::kWrite}) {
      if ((modes & bit(mode)) != 0) change_deadline(pd, mode, when, &unblocked[static_cast<std::uint32_t>(mode)]);
    }
  }
  for (const Mode mode : {Mode::kRead, Mode::kWrite}) ready(unblocked[static_cast<std::uint32_t>(mode)], pd, mode);
}

sched::HeapTimer& Netpoll::timer_of(PollDesc& pd, Mode mode) {
  return pd.deadlines->timer[static_cast<std::uint32_t>(mode)];
}

// Publish rule: info first, unblock second.
void Netpoll::change_deadline(PollDesc& pd, Mode mode, std::int64_t when, sched::G** unblocked) {
  NETPOLL_TRACE(scheduler_.lane(), deadline_set, NETPOLL_ARG(pd.index), NETPOLL_ARG(pd.fd.load()), NETPOLL_ARG(mode),
                NETPOLL_ARG(when));
  if (when > 0 && when - scheduler_.coarse_now().load(std::memory_order_relaxed) < kSurelyFuture &&
      when <= base::nanotime()) {
    when = -1;
  }
  deadline(pd, mode).store(when < 0 ? -1 : when, std::memory_order_relaxed);
  const std::uint32_t info = pd.info.load(std::memory_order_relaxed);
  const std::uint32_t new_info = when < 0 ? info | expired_bit(mode) : info & ~expired_bit(mode);
  if (new_info != info) pd.info.store(new_info, std::memory_order_seq_cst);
  if (when <= 0) {
    if (pd.deadlines != nullptr) sched::stop_timer(timer_of(pd, mode));
    if (when < 0) *unblocked = take_waiter(pd, mode, false);
    return;
  }
  if (pd.deadlines == nullptr) pd.deadlines = std::make_unique<Deadlines>(this);
  sched::HeapTimer& timer = timer_of(pd, mode);
  if (timer.heap.load(std::memory_order_acquire) != nullptr) {
    if (timer.when <= when) return;  // fires early, finds the deadline ahead, starts again
    if (!sched::stop_timer(timer)) {
      // It fires this very moment, and waits for our lock to look at the deadline: it will start itself again.
      if (timer.heap.load(std::memory_order_acquire) != nullptr) return;
    }
  }
  timer.when = when;
  // Without the lock: the Deadlines that contain the timer that fires stay where they are.
  timer.callback = [](void* arg, std::uint64_t seq) NETPOLL_NO_THREAD_SAFETY_ANALYSIS {
    auto* desc = static_cast<PollDesc*>(arg);
    desc->deadlines->owner->deadline_passed(*desc, static_cast<Mode>(seq & 1), seq >> 1);
  };
  timer.arg = &pd;
  timer.seq =
      static_cast<std::uint64_t>(pd.seq.load(std::memory_order_relaxed)) << 1 | static_cast<std::uint64_t>(mode);
  scheduler_.start_timer(timer);
}

// A timer fired. Its pollDesc may have begun another life, its deadline may have moved or gone.
void Netpoll::deadline_passed(PollDesc& pd, Mode mode, std::uint64_t life) {
  sched::G* g = nullptr;
  {
    const base::MutexLock lock(pd.lock);
    NETPOLL_STEP();
    if (pd.seq.load(std::memory_order_relaxed) != life) return;
    if ((pd.info.load(std::memory_order_relaxed) & kInfoClosing) != 0) return;
    const std::int64_t when = deadline(pd, mode).load(std::memory_order_relaxed);
    if (when <= 0) return;
    if (when > base::nanotime()) {
      sched::HeapTimer& timer = timer_of(pd, mode);
      if (timer.heap.load(std::memory_order_acquire) != nullptr) return;  // set anew meanwhile
      timer.when = when;
      scheduler_.start_timer(timer);
      return;
    }
    deadline(pd, mode).store(-1, std::memory_order_relaxed);
    pd.info.fetch_or(expired_bit(mode), std::memory_order_seq_cst);
    NETPOLL_TRACE(scheduler_.lane(), deadline_fire, NETPOLL_ARG(pd.index), NETPOLL_ARG(pd.fd.load()),
                  NETPOLL_ARG(mode));
    g = take_waiter(pd, mode, false);
  }
  ready(g, pd, mode);
}

void Netpoll::unblock(PollDesc& pd) {
  sched::G* reader;
  sched::G* writer;
  {
    const base::MutexLock lock(pd.lock);
    if ((pd.info.load(std::memory_order_relaxed) & kInfoClosing) != 0)
      base::fatal("netpoll: unblock on closing pollDesc");
    pd.info.fetch_or(kInfoClosing, std::memory_order_seq_cst);
    NETPOLL_STEP();
    reader = take_waiter(pd, Mode::kRead, false);
    writer = take_waiter(pd, Mode::kWrite, false);
    if (pd.deadlines != nullptr) {
      for (sched::HeapTimer& timer : pd.deadlines->timer) sched::stop_timer(timer);
    }
  }
  ready(reader, pd, Mode::kRead);
  ready(writer, pd, Mode::kWrite);
}

// Publish rule: info first, unblock second.
void Netpoll::end_reads(PollDesc& pd) {
  if (completion_ == nullptr || !completion_->outlives_shutdown()) return;
  sched::G* reader;
  {
    const base::MutexLock lock(pd.lock);
    pd.info.fetch_or(kInfoReadShut, std::memory_order_seq_cst);
    NETPOLL_STEP();
    reader = take_waiter(pd, Mode::kRead, false);
  }
  ready(reader, pd, Mode::kRead);
}

void Netpoll::close(PollDesc& pd, bool shared) {
  const std::int32_t fd = pd.fd.load(std::memory_order_relaxed);
  if ((pd.info.load(std::memory_order_relaxed) & kInfoClosing) == 0)
    base::fatal("netpoll: close of a pollDesc without unblock");
  if (pd.rg.load() > kPdReady || pd.wg.load() > kPdReady)
    base::fatal("netpoll: blocked goroutine on a closing pollDesc");
  // What is registered stays as long as the open file, in whoever's descriptor, and nobody can remove it after the
  // close. Where the file is known to live on it therefore goes first, and level-triggered always. There an armed
  // direction of a file that lives on unknown to us (a duplicate made behind our back, clone(2)) would be reported for
  // ever; and one that is not armed is looked at whenever the socket changes. A thread in epoll_wait(2) that looks
  // while we close holds the file since Linux 6.9 (epi_fget, fs/eventpoll.c), finds nothing to report, and lets go of
  // it only when it next returns: until then the peer would wait for our end of stream. What the other triggers look at
  // they report, and return.
  {
    const base::MutexLock lock(pd.lock);
    shared = shared || pd.forks != forks.load() || trigger_ == Trigger::kLevel;
  }
  if (poller_->outlives_close(shared) && poller_->close(fd) == -ENOENT) found_foreign(pd, fd, ForeignCtl::kRemoved);
  NETPOLL_TRACE(scheduler_.lane(), fd_close, NETPOLL_ARG(pd.index), NETPOLL_ARG(fd));
  // Under the lock, so that a timer or event that holds it sees one life or the other.
  const base::MutexLock lock(pd.lock);
  pd.info.fetch_and(~std::uint32_t{kInfoRegistered}, std::memory_order_seq_cst);
  cache_.put(pd);
}

void Netpoll::cancel_all() {
  canceled_.store(true, std::memory_order_seq_cst);
  for (std::uint64_t i = 1; i < cache_.count(); ++i) {
    PollDesc& pd = *cache_.at(static_cast<std::uint32_t>(i));
    sched::G* reader = nullptr;
    sched::G* writer = nullptr;
    {
      const base::MutexLock lock(pd.lock);
      if (pd.fd.load(std::memory_order_seq_cst) < 0) continue;
      pd.info.fetch_or(kInfoCanceled, std::memory_order_seq_cst);
      reader = take_waiter(pd, Mode::kRead, false);
      writer = take_waiter(pd, Mode::kWrite, false);
    }
    ready(reader, pd, Mode::kRead);
    ready(writer, pd, Mode::kWrite);
  }
}

void Netpoll::found_foreign(PollDesc& pd, std::int32_t fd, ForeignCtl kind) {
  pd.info.fetch_or(kInfoForeign, std::memory_order_seq_cst);
  NETPOLL_TRACE(scheduler_.lane(), foreign_ctl, NETPOLL_ARG(pd.index), NETPOLL_ARG(fd), NETPOLL_ARG(kind));
}

}  // namespace netpoll::poll
