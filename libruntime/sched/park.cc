// park.cc: leaving the processor and becoming runnable again; the wait protocol of wait.h.

#include "libruntime/base/fatal.h"
#include "libruntime/sched/random_step.h"
#include "libruntime/sched/scheduler.h"

namespace netpoll::sched {
namespace {

std::uint64_t state_of(std::uint64_t word) { return word & kWaitStateMask; }

// Moves word to kWaitClaimed with result. Returns false if somebody else won.
bool claim(G* g, std::uint64_t word, WakeResult result) {
  for (;;) {
    NETPOLL_STEP();
    const std::uint64_t claimed =
        (word & ~kWaitStateMask) | (static_cast<std::uint64_t>(result) << kWaitResultShift) | kWaitClaimed;
    const std::uint64_t generation = word >> kWaitGenerationShift;
    if (g->wait_word.compare_exchange_weak(word, claimed, std::memory_order_seq_cst)) {
      if (state_of(word) == kWaitParked) g->scheduler->ready(g);
      return true;
    }
    if (word >> kWaitGenerationShift != generation || state_of(word) == kWaitClaimed) return false;
  }
}

}  // namespace

// Notes what the calling goroutine is going to wait for, and returns its M.
[[gnu::always_inline]] inline M* Scheduler::note_wait(ParkCommit commit, void* arg, WaitReason reason, std::uint32_t pd,
                                                      std::int32_t fd, std::uint32_t mode) {
  M* m = current_m();
  G* g = m->curg;
  g->wait_reason.store(static_cast<std::uint32_t>(reason), std::memory_order_relaxed);
  g->wait_pd.store(pd, std::memory_order_relaxed);
  g->wait_fd.store(fd, std::memory_order_relaxed);
  g->wait_mode.store(mode, std::memory_order_relaxed);
  g->wait_since.store(m->scheduler->coarse_now_.load(std::memory_order_relaxed), std::memory_order_relaxed);
  g->park_seq.store(g->park_seq.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  m->commit = commit;
  m->commit_arg = arg;
  return m;
}

[[gnu::hot]] void Scheduler::park(ParkCommit commit, void* arg, WaitReason reason, std::uint32_t pd, std::int32_t fd,
                                  std::uint32_t mode) {
  M* m = note_wait(commit, arg, reason, pd, fd, mode);
  m->after = After::kPark;
  context::context_suspend(m->curg->context, m->g0);
}

[[gnu::hot]] void Scheduler::rest(ParkCommit commit, void* arg, WaitReason reason, std::uint32_t pd, std::int32_t fd,
                                  std::uint32_t mode) {
  M* m = note_wait(commit, arg, reason, pd, fd, mode);
  m->after = After::kRest;
  m->curg->rested = true;
  context::context_leave(m->curg->context, m->g0);
}

[[gnu::hot]] void Scheduler::yield() {
  M* m = current_m();
  if (m == nullptr || m->curg == nullptr) base::fatal("netpoll: yield outside of a goroutine");
  m->after = After::kYield;
  context::context_suspend(m->curg->context, m->g0);
}

[[gnu::hot]] void Scheduler::ready(G* g, std::uint32_t pd, std::int32_t fd, std::uint32_t mode) {
  M* m = current_m();
  P* p = m != nullptr && m->scheduler == this ? m->p : nullptr;
  NETPOLL_TRACE(p != nullptr ? p->lane : shared_lane_, ready, NETPOLL_ARG(g->goid.load(std::memory_order_relaxed)),
                NETPOLL_ARG(pd), NETPOLL_ARG(fd), NETPOLL_ARG(mode));
  if (p == nullptr) {
    // As soon as g is queued it may run and end, and its Runtime with it, while this thread is still in here.
    external_ready_calls_.fetch_add(1, std::memory_order_relaxed);
    GList one;
    one.push_back(g);
    inject(one);
    external_ready_calls_.fetch_sub(1, std::memory_order_release);
    return;
  }
  g->store_status(GStatus::kRunnable);
  run_put(p, g, true);
  // One runnable goroutine behind the current one is not worth waking a thread for: the current one mostly parks next.
  // If it computes on instead, sysmon sees the waiting queue.
  if (idle_p_count_.load(std::memory_order_relaxed) != 0 && p->runq.size() > 1) wake_p();
}

void Scheduler::inject(GList& list) {
  if (list.empty()) return;
  const std::uint32_t count = list.size;
  for (G* g = list.head; g != nullptr; g = g->link) g->store_status(GStatus::kRunnable);
  {
    const base::MutexLock lock(mutex_);
    global_.append(list);
    global_size_.store(global_.size, std::memory_order_seq_cst);
  }
  for (std::uint32_t i = 0; i < count && idle_p_count_.load(std::memory_order_seq_cst) != 0; ++i) {
    P* p;
    {
      const base::MutexLock lock(mutex_);
      p = global_.empty() ? nullptr : idle_p_get();
    }
    if (p == nullptr) return;
    start_m(p, false);
  }
  if (global_size_.load(std::memory_order_relaxed) != 0) retake_blocked_ps();
}

WaitHandle begin_wait() {
  G* g = current_g();
  if (g == nullptr) base::fatal("netpoll: wait outside of a goroutine");
  const std::uint64_t word = g->wait_word.load(std::memory_order_relaxed);
  if (state_of(word) != kWaitClaimed) base::fatal("netpoll: begin_wait while a wait is open");
  const std::uint64_t generation = (word >> kWaitGenerationShift) + 1;
  g->wait_word.store(generation << kWaitGenerationShift | kWaitArmed, std::memory_order_seq_cst);
  return WaitHandle{g, generation};
}

bool Scheduler::commit_wait(G* g, void*) {
  NETPOLL_STEP();
  std::uint64_t word = g->wait_word.load(std::memory_order_relaxed);
  while (state_of(word) == kWaitArmed) {
    if (g->wait_word.compare_exchange_weak(word, word | kWaitParked, std::memory_order_seq_cst)) return true;
  }
  return false;
}

WakeResult finish_wait(WaitHandle h, WaitReason reason, bool cancelable) {
  G* g = h.g;
  if (cancelable) {
    // Mark first, look second; cancel_all() sets the flag first and looks at the marks second.
    g->wait_word.fetch_or(kWaitCancelable, std::memory_order_seq_cst);
    if (g->scheduler->canceled()) wake(h, WakeResult::kCanceled);
  }
  if (state_of(g->wait_word.load(std::memory_order_acquire)) == kWaitArmed) {
    Scheduler::park(Scheduler::commit_wait, nullptr, reason);
  }
  const std::uint64_t word = g->wait_word.load(std::memory_order_acquire);
  if (state_of(word) != kWaitClaimed) base::fatal("netpoll: goroutine woken without a claim");
  return static_cast<WakeResult>(word >> kWaitResultShift & 3);
}

bool wake(WaitHandle h, WakeResult result) {
  const std::uint64_t word = h.g->wait_word.load(std::memory_order_acquire);
  if (word >> kWaitGenerationShift != h.generation || state_of(word) == kWaitClaimed) return false;
  return claim(h.g, word, result);
}

void share_queue() {
  M* m = current_m();
  if (m == nullptr || m->p == nullptr || m->p->runq.empty()) return;
  if (m->scheduler->idle_ps() != 0) m->scheduler->wake_p();
}

void Scheduler::cancel_waits() {
  const std::uint64_t count = gs_.count();
  for (std::uint64_t i = 0; i < count; ++i) {
    G& g = gs_.at(i);
    const std::uint64_t word = g.wait_word.load(std::memory_order_seq_cst);
    if ((word & kWaitCancelable) != 0 && state_of(word) != kWaitClaimed) claim(&g, word, WakeResult::kCanceled);
  }
}

}  // namespace netpoll::sched
