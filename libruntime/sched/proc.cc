// proc.cc: the loop of an M: find a runnable goroutine, run it, do what it asked for when it switched away.
//
// Where the next goroutine comes from, in this order:
//   1. every second round, the global queue, so that it cannot starve behind a busy ring
//   2. runnext (at most kMaxNextStreak times in a row before the ring), then the ring of the own P
//   3. the global queue
//   4. inline mode only: a look into the poller (Go does this before stealing)
//   5. half of another P's ring
//   6. nothing: give the P back and block in the poller, or sleep
//
// Rejected:
//   * A look into the poller before blocking in it (step 4 in hybrid). With one busy connection it doubles the calls to
//     epoll_wait, and the blocking call returns at once anyway when something is ready.
//   * Keeping the P while blocked in the poller. Saves two uncontended lock operations, but then a goroutine that a
//     foreign thread makes runnable would need the poller to be interrupted rather than any idle M to be woken.
//   * Switching from goroutine to goroutine without g0 in between. It halves the switches of yield, but what a
//     goroutine leaves behind (the park commit, putting it on a queue) must run after its context is saved, on a stack
//     that is not its own; g0 is that stack, and keeps the goroutines' stacks small: epoll events live on it.
#include <cxxabi.h>

#include "libruntime/base/clock.h"
#include "libruntime/sched/crash_report.h"
#include "libruntime/sched/scheduler.h"

namespace netpoll::sched {
namespace {

constexpr std::uint32_t kMaxNextStreak = 16;
// hybrid: how old the last poll may get while goroutines keep every round of this P busy.
constexpr std::int64_t kLookAfter = 500'000;
// Bounds of P::clock_interval, the rounds between two looks at the clock.
constexpr std::uint32_t kMaxClockInterval = 64;
constexpr std::int64_t kClockPeriod = 100'000;
// A poll that returned more than this many goroutines is worth the futex call that wakes another M.
constexpr std::uint32_t kWakeAtBatch = 32;

// Prefetches what the goroutines behind the next one will need, so that it arrives while the next one runs: with a
// thousand connections each has left the caches since it parked. For the second in the queue that is its G; for the
// first, whose G was prefetched when it was second, what it looks at first and the top of its stack.
inline void prefetch_followers(const RunQueue& queue) {
  constexpr int kLine = 64;
  constexpr int kStackLines = 12;  // the frames of a reader (HACKING.md), and the first bytes of its buffer
  if (const G* second = queue.peek(2)) {
    const char* record = reinterpret_cast<const char*>(second);
    for (std::size_t i = 0; i < sizeof(G); i += kLine) __builtin_prefetch(record + i, 1);
  }
  if (const G* first = queue.peek(1)) {
    for (const auto& object : first->first_needed) __builtin_prefetch(object.load(std::memory_order_relaxed), 1);
    const char* frame = static_cast<const char*>(context::peek_sp(first->context));
    if (frame == nullptr) return;  // at rest
    for (int i = 0; i < kStackLines; ++i) __builtin_prefetch(frame + i * kLine, 1);
  }
}

}  // namespace

// Inlined into m_loop: a `ret` on this side of the switch would be predicted from the calls of the other side.
__attribute__((always_inline)) inline void Scheduler::execute(M* m, G* g) {
  for (;;) {
    m->curg = g;
    g->store_status(GStatus::kRunning);
    m->p->running_goid.store(g->goid.load(std::memory_order_relaxed), std::memory_order_relaxed);
    NETPOLL_TRACE(m->p->lane, run, NETPOLL_ARG(g->goid.load(std::memory_order_relaxed)), NETPOLL_ARG(m->p->id));
    if (context::peek_sp(g->context) == nullptr) begin_again(m->p, g);
    // A goroutine may park inside a catch block and resume on another thread: its caught exceptions go with it.
    m->exception_globals[0] = g->exception_globals[0];
    m->exception_globals[1] = g->exception_globals[1];
    m->control_words = context::context_resume(m->g0, g->context, m->control_words);
    g->exception_globals[0] = m->exception_globals[0];
    g->exception_globals[1] = m->exception_globals[1];
    m->curg = nullptr;
    // Before anybody else may run g: a neighbour's stack may be damaged, and this is the moment to tell whose fault it
    // is.
    if (g->guard == context::StackGuard::kZeroed && context::stack_overflowed(g->stack)) [[unlikely]]
      stack_overflow(g);
    switch (m->after) {
      case After::kRest:
        leave_stack(m->p, g);
        [[fallthrough]];
      case After::kPark:
        g->store_status(GStatus::kWaiting);
        NETPOLL_TRACE(m->p->lane, park, NETPOLL_ARG(g->goid.load(std::memory_order_relaxed)),
                      NETPOLL_ARG(g->wait_pd.load(std::memory_order_relaxed)),
                      NETPOLL_ARG(g->wait_fd.load(std::memory_order_relaxed)),
                      NETPOLL_ARG(g->wait_mode.load(std::memory_order_relaxed)),
                      NETPOLL_ARG(g->wait_reason.load(std::memory_order_relaxed)));
        prefetch_followers(m->p->runq);
        if (m->commit(g, m->commit_arg)) return;
        // What it waits for happened meanwhile, and nobody else says so: every park has its ready.
        NETPOLL_TRACE(m->p->lane, ready, NETPOLL_ARG(g->goid.load(std::memory_order_relaxed)),
                      NETPOLL_ARG(g->wait_pd.load(std::memory_order_relaxed)),
                      NETPOLL_ARG(g->wait_fd.load(std::memory_order_relaxed)),
                      NETPOLL_ARG(g->wait_mode.load(std::memory_order_relaxed)));
        continue;
      case After::kYield:
        g->store_status(GStatus::kRunnable);
        run_put(m->p, g, false);
        return;
      case After::kExit:
        NETPOLL_TRACE(m->p->lane, go_exit, NETPOLL_ARG(g->goid.load(std::memory_order_relaxed)));
        bury(m->p, g);
        goroutine_ended();
        return;
      case After::kSyscallExit: {
        // The P was handed off during the call: any idle one will do, else queue up.
        P* p;
        {
          const base::MutexLock lock(mutex_);
          p = idle_p_get();
        }
        if (p != nullptr) {
          acquire_p(m, p);
          continue;
        }
        GList one;
        one.push_back(g);
        inject(one);
        stop_m(m);
        return;
      }
    }
  }
}

[[gnu::hot]] void Scheduler::m_loop(M* m) {
  while (G* g = find_runnable(m)) {
    if (m->spinning) stop_spinning(m);
    execute(m, g);
  }
}

[[gnu::hot]] void Scheduler::run_put(P* p, G* g, bool next) {
  if (next) {
    g = p->runq.exchange_next(g);
    if (g == nullptr) return;
  }
  while (!p->runq.put(g)) {
    GList half;
    if (!p->runq.take_half(half)) continue;
    half.push_back(g);
    const base::MutexLock lock(mutex_);
    global_.append(half);
    global_size_.store(global_.size, std::memory_order_seq_cst);
    return;
  }
}

G* Scheduler::take_global(P* p, std::uint32_t limit) {
  const base::MutexLock lock(mutex_);
  G* first = global_.pop_front();
  if (first == nullptr) return nullptr;
  // A fair share, and no more than half a ring.
  std::uint32_t count = global_.size / static_cast<std::uint32_t>(ps_.size());
  if (count > RunQueue::kCapacity / 2) count = RunQueue::kCapacity / 2;
  if (limit != 0 && count > limit - 1) count = limit - 1;
  while (count-- > 0) {
    G* g = global_.pop_front();
    if (!p->runq.put(g)) {
      global_.push_front(g);
      break;
    }
  }
  global_size_.store(global_.size, std::memory_order_relaxed);
  return first;
}

[[gnu::hot]] G* Scheduler::take_local(P* p) {
  if (p->next_streak < kMaxNextStreak || p->runq.ring_empty()) {
    if (G* g = p->runq.get_next()) {
      ++p->next_streak;
      return g;
    }
  }
  p->next_streak = 0;
  return p->runq.get();
}

[[gnu::hot]] G* Scheduler::find_runnable(M* m) {
  for (;;) {
    P* p = m->p;
    if (p == nullptr || stopping_.load(std::memory_order_relaxed)) return nullptr;
    const std::uint32_t tick = p->tick.load(std::memory_order_relaxed) + 1;
    p->tick.store(tick, std::memory_order_relaxed);
    if (tick - p->clock_tick >= p->clock_interval) look_at_clock(p, tick);

    const bool global_first = (tick & 1) != 0;
    if (global_first && global_size_.load(std::memory_order_relaxed) != 0) {
      if (G* g = take_global(p, 1)) return g;
    }
    if (G* g = take_local(p)) return g;
    if (global_size_.load(std::memory_order_relaxed) != 0) {
      if (G* g = take_global(p, 0)) return g;
    }
    if (p->timers.earliest() != kNoTimer && p->timers.run(base::nanotime()) != 0) continue;
    if (config_.poll_mode == PollMode::kInline && ps_.size() > 1) {
      if (G* g = look_before_stealing(p)) return g;
    }
    if (ps_.size() > 1) {
      if (G* g = submit_before_stealing(p)) return g;
      if (G* g = steal_work(m)) return g;
    }
    if (G* g = idle_until_work(m)) return g;
  }
}

// Reads the clock once per ~kClockPeriod of busy rounds: runs due timers, and in hybrid mode looks into the poller if
// nobody did for kLookAfter. The interval adapts to how long rounds take, so that neither 25 ns yields pay for a clock
// nor 100 µs slices wait for 64 of their kind.
void Scheduler::look_at_clock(P* p, std::uint32_t tick) {
  const std::int64_t now = base::nanotime();
  const std::int64_t elapsed = now - p->clock_time;
  p->clock_time = now;
  p->clock_tick = tick;
  if (elapsed > kClockPeriod && p->clock_interval > 1) {
    p->clock_interval /= 2;
  } else if (elapsed < kClockPeriod / 2 && p->clock_interval < kMaxClockInterval) {
    p->clock_interval *= 2;
  }
  if (p->timers.earliest() <= now) p->timers.run(now);
  if (config_.poll_mode != PollMode::kHybrid) {
    poll_source_->flush_queued();
    return;
  }
  // A poll since the last look was at most one look ago, and did not have to read the clock to say so.
  const std::uint64_t polls = m_poll_count_.load(std::memory_order_relaxed);
  if (p->polls_seen != polls) {
    p->polls_seen = polls;
    last_poll_.store(now, std::memory_order_relaxed);
    return;
  }
  std::int64_t last = last_poll_.load(std::memory_order_relaxed);
  if (now - last < kLookAfter) return;
  if (somebody_polls() || poll_source_->waiters() == 0) {
    poll_source_->flush_queued();
    return;
  }
  if (!last_poll_.compare_exchange_strong(last, now)) return;  // another M looks
  count_poll();
  p->polls_seen = m_poll_count_.load(std::memory_order_relaxed);
  coarse_now_.store(now, std::memory_order_relaxed);
  GList list;
  poll_source_->poll(0, list);
  run_list(p, list);
}

// Queues what a poll returned on p, in the order of the events. What finds no room there goes behind all others: the
// events that came first are answered first.
[[gnu::hot]] void Scheduler::run_list(P* p, GList& list) {
  const bool many = list.size > kWakeAtBatch;
  while (G* g = list.pop_front()) {
    g->store_status(GStatus::kRunnable);
    if (p->runq.put(g)) continue;
    for (G* later = list.head; later != nullptr; later = later->link) later->store_status(GStatus::kRunnable);
    list.push_front(g);
    const base::MutexLock lock(mutex_);
    global_.append(list);
    global_size_.store(global_.size, std::memory_order_seq_cst);
  }
  if (many && idle_p_count_.load(std::memory_order_relaxed) != 0) wake_p();
}

// Go's step before stealing (proc.go, findRunnable): if somebody waits and nobody blocks in the poller, look.
G* Scheduler::look_before_stealing(P* p) {
  if (poll_source_->waiters() == 0) return nullptr;
  if (last_poll_.load(std::memory_order_relaxed) == 0) return nullptr;
  GList list;
  poll_source_->poll(0, list);
  G* g = list.pop_front();
  run_list(p, list);
  return g;
}

// Operations of the round that just ended go to the kernel before this M takes another P's work, and what is done at
// once (a send, mostly) is run here.
G* Scheduler::submit_before_stealing(P* p) {
  if (!poll_source_->queued_since_poll()) [[likely]]
    return nullptr;
  if (config_.poll_mode == PollMode::kThread) {
    poll_source_->flush();
    return nullptr;
  }
  GList list;
  poll_source_->poll(0, list);
  count_poll();
  G* g = list.pop_front();
  run_list(p, list);
  return g;
}

G* Scheduler::steal_work(M* m) {
  const auto count = static_cast<std::uint32_t>(ps_.size());
  if (!m->spinning) {
    // At most half as many spinning Ms as busy Ps (Go: proc.go, findRunnable).
    const std::uint32_t busy = count - idle_p_count_.load(std::memory_order_relaxed);
    if (2 * spinning_ms_.load(std::memory_order_relaxed) >= busy) return nullptr;
    m->spinning = true;
    spinning_ms_.fetch_add(1, std::memory_order_seq_cst);
  }
  P* p = m->p;
  for (int round = 0; round < 4; ++round) {
    const bool last_round = round == 3;
    for (std::uint32_t i = 1; i < count; ++i) {
      P* victim = ps_[(p->id + i) % count].get();
      if (last_round && victim->timers.earliest() != kNoTimer && victim->timers.run(base::nanotime()) != 0) {
        if (G* g = take_local(p)) return g;
      }
      if (idle_p_count_.load(std::memory_order_relaxed) != 0 &&
          victim->status.load(std::memory_order_relaxed) == kPIdle) {
        continue;
      }
      if (G* g = p->runq.steal_from(victim->runq, last_round)) return g;
    }
  }
  return nullptr;
}

[[gnu::hot]] G* Scheduler::idle_until_work(M* m) {
  {
    const base::MutexLock lock(mutex_);
    if (!global_.empty()) return nullptr;
    idle_p_put(release_p(m));
  }
  if (m->spinning) {
    // Delicate: the spinning count drops before the queues are looked at again. Whoever queues work looks at the count
    // after it queued; so either it sees the drop and wakes somebody, or we see its work here.
    m->spinning = false;
    spinning_ms_.fetch_sub(1, std::memory_order_seq_cst);
    for (const auto& p : ps_) {
      if (p->runq.empty()) continue;
      const base::MutexLock lock(mutex_);
      P* idle = idle_p_get();
      if (idle == nullptr) break;
      acquire_p(m, idle);
      m->spinning = true;
      spinning_ms_.fetch_add(1, std::memory_order_seq_cst);
      return nullptr;
    }
  }
  if (G* g = poll_as_idle_m(m)) return g;
  if (m->p == nullptr) {
    // Somebody else sits in the poller, and knows nothing of what this M's goroutines have queued.
    poll_source_->flush_queued();
    stop_m(m);
  }
  return nullptr;
}

// Blocks in the poller without a P, as the one idle M that may. Returns a goroutine to run (m has a P then); or null
// with a P (look again) or without one (nothing to poll for, or somebody else does).
[[gnu::hot]] G* Scheduler::poll_as_idle_m(M* m) {
  if (config_.poll_mode == PollMode::kThread) return nullptr;
  if (poll_source_->waiters() == 0 && earliest_timer() == kNoTimer) return nullptr;
  if (m_polls_.exchange(1, std::memory_order_seq_cst) != 0) return nullptr;
  GList list;
  blocking_poll(list);
  count_poll();
  const bool sysmon_slept = sysmon_asleep_.load(std::memory_order_relaxed) != 0;
  m_polls_.store(0, std::memory_order_seq_cst);
  if (stopping_.load(std::memory_order_relaxed)) poll_source_->wake();  // for the next one who sleeps there
  P* p;
  {
    const base::MutexLock lock(mutex_);
    p = idle_p_get();
  }
  if (p == nullptr) {
    // Every P became busy while this M sat here, and nobody sits in the poller any more. Those who look there in its
    // place go by the time of the last poll (inline mode), or have to hear of its leaving: idle_p_get() said nothing to
    // the watch as long as somebody sat there.
    polled_now();
    if (poll_thread_asleep_.load(std::memory_order_seq_cst) != 0 && config_.poll_mode == PollMode::kHybrid) {
      wake_sleeper(poll_thread_asleep_);
    }
    inject(list);
    return nullptr;
  }
  acquire_p(m, p);
  // One connection polls for every request, and a look at the clock is a hundredth of its CPU time. So it is read when
  // look_at_clock() would soon ask for it anyway; in between sysmon keeps coarse_now_ fresh, unless it slept as well.
  const std::uint32_t tick = p->tick.load(std::memory_order_relaxed);
  if (tick - p->clock_tick >= p->clock_interval / 2 || sysmon_slept || config_.poll_mode != PollMode::kHybrid) {
    p->clock_time = polled_now();
    p->clock_tick = tick;
  }
  G* g = list.pop_front();
  run_list(p, list);
  return g;
}

// One blocking poll, by the idle M that may or by the thread of thread mode, until events come or the earliest timer of
// any P is due.
[[gnu::hot]] void Scheduler::blocking_poll(GList& list) {
  // Announce "I sleep for ever" before looking at the timers: a timer that is added meanwhile either is seen here, or
  // its adder sees the announcement and wakes us (start_timer).
  poll_until_.store(kNoTimer, std::memory_order_seq_cst);
  const std::int64_t earliest = earliest_timer();
  std::int64_t delay = -1;
  if (earliest != kNoTimer) {
    poll_until_.store(earliest, std::memory_order_seq_cst);
    const std::int64_t now = base::nanotime();
    delay = earliest > now ? earliest - now : 0;
  }
  if (stopping_.load(std::memory_order_seq_cst)) delay = 0;
  last_poll_.store(0, std::memory_order_relaxed);
  poll_source_->poll(delay, list);
  // In no hurry: who reads the old value wakes a poll that has returned, and the next one looks again.
  poll_until_.store(0, std::memory_order_relaxed);
}

// The time after a poll, noted for everybody.
std::int64_t Scheduler::polled_now() {
  const std::int64_t now = base::nanotime();
  last_poll_.store(now, std::memory_order_relaxed);
  coarse_now_.store(now, std::memory_order_relaxed);
  return now;
}

[[gnu::hot]] std::int64_t Scheduler::earliest_timer() const {
  std::int64_t earliest = kNoTimer;
  for (const auto& p : ps_) {
    const std::int64_t when = p->timers.earliest();
    if (when < earliest) earliest = when;
  }
  return earliest;
}

}  // namespace netpoll::sched
