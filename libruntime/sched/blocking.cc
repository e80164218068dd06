// blocking.cc: calls that block the thread (Go: entersyscall, exitsyscall).
//
// When the call begins and somebody needs the P (queued goroutines, a poll that nobody does, timers), it is handed off
// at once. Otherwise the P stays behind in kPSyscall, which costs two CASes, and is taken by whoever makes work for it:
// inject(), or sysmon at its next tick.
#include <mutex>

#include "libruntime/base/fatal.h"
#include "libruntime/sched/scheduler.h"

namespace netpoll::sched {

void Scheduler::enter_blocking() {
  M* m = current_m();
  G* g = m != nullptr ? m->curg : nullptr;
  if (g == nullptr) base::fatal("netpoll: block_on outside of a goroutine");
  Scheduler& s = *m->scheduler;
  P* p = m->p;
  s.poll_source_->flush_queued();
  g->store_status(GStatus::kSyscall);
  s.blocking_calls_.fetch_add(1, std::memory_order_seq_cst);
  m->p = nullptr;
  p->m = nullptr;
  const bool needed =
      !p->runq.empty() || s.global_size_.load(std::memory_order_relaxed) != 0 || s.earliest_timer() != kNoTimer ||
      (s.config_.poll_mode != PollMode::kThread && !s.somebody_polls() && s.poll_source_->waiters() != 0);
  if (needed) {
    p->status.store(kPIdle, std::memory_order_release);
    s.hand_off_p(p);
    m->blocked_p = nullptr;
    return;
  }
  m->blocked_p = p;
  s.blocked_ps_.fetch_add(1, std::memory_order_seq_cst);
  p->status.store(kPSyscall, std::memory_order_seq_cst);
  // Work that was injected between the question and the store above found no idle P and no blocked one.
  if (s.global_size_.load(std::memory_order_seq_cst) != 0) s.retake_blocked_ps();
}

void Scheduler::exit_blocking() {
  M* m = current_m();
  G* g = m->curg;
  Scheduler& s = *m->scheduler;
  s.blocking_calls_.fetch_sub(1, std::memory_order_seq_cst);
  P* p = m->blocked_p;
  m->blocked_p = nullptr;
  if (p != nullptr) {
    std::uint32_t expected = kPSyscall;
    if (p->status.compare_exchange_strong(expected, kPRunning, std::memory_order_seq_cst)) {
      s.blocked_ps_.fetch_sub(1, std::memory_order_seq_cst);
      m->p = p;
      p->m = m;
      g->store_status(GStatus::kRunning);
      return;
    }
  }
  m->after = After::kSyscallExit;
  context::context_suspend(g->context, m->g0);
}

}  // namespace netpoll::sched
