// machine.cc: which M holds which P: idle lists, waking, hand-off around blocking calls.
#include <cxxabi.h>

#include "libruntime/base/fatal.h"
#include "libruntime/base/thread.h"
#include "libruntime/sched/crash_report.h"
#include "libruntime/sched/scheduler.h"

// Of the ABI (Itanium C++ ABI, 2.2.2), and in the headers of libstdc++, but not in those of libc++.
namespace __cxxabiv1 {
struct __cxa_eh_globals;
extern "C" __cxa_eh_globals* __cxa_get_globals() noexcept;
}  // namespace __cxxabiv1

namespace netpoll::sched {
namespace {

thread_local M* tls_m = nullptr;

// Tells the sanitizers which stack the calling thread runs on.
void adopt_thread_stack(context::SanitizerFiber& fiber) {
  const base::ThreadStack stack = base::thread_stack();
  context::fiber_adopt_thread(fiber, stack.lo, stack.size);
}

}  // namespace

__attribute__((noinline, hot)) M* current_m() {
  __asm__ volatile("");
  return tls_m;
}

G* current_g() {
  M* m = current_m();
  return m != nullptr ? m->curg : nullptr;
}

Scheduler& current() {
  G* g = current_g();
  if (g == nullptr) base::fatal("netpoll: this call needs a goroutine");
  return *g->scheduler;
}

[[gnu::hot]] trace::Lane& Scheduler::lane() {
  M* m = current_m();
  return m != nullptr && m->p != nullptr && m->scheduler == this ? m->p->lane : shared_lane_;
}

void* Scheduler::m_thread(void* arg) {
  auto* m = static_cast<M*>(arg);
  tls_m = m;
  adopt_thread_stack(m->g0.fiber);
  base::sleep_precisely();  // sleeps of 100 µs should not take 150
  m->exception_globals = reinterpret_cast<void**>(abi::__cxa_get_globals());
  AlternateStack overflow_stack;
  // What a goroutine starts with posix_spawn or fork inherits the mask of its thread (sigprocmask(2); glibc's
  // posix_spawn runs no atfork handlers and keeps the caller's mask), and Go's children have the mask that the process
  // had before the runtime, too. Without SIGSEGV and SIGBUS, by which a stack overflow is named. From here on handlers
  // find the alternate stack.
  base::use_signal_mask(m->scheduler->program_mask_);
  Scheduler& scheduler = *m->scheduler;
  scheduler.acquire_p(m, m->next_p);
  scheduler.m_loop(m);
  if (m->p != nullptr) {
    const base::MutexLock lock(scheduler.mutex_);
    scheduler.idle_p_put(scheduler.release_p(m));
  }
  tls_m = nullptr;
  return nullptr;
}

[[gnu::hot]] void Scheduler::acquire_p(M* m, P* p) {
  m->p = p;
  m->next_p = nullptr;
  p->m = m;
  p->status.store(kPRunning, std::memory_order_release);
}

[[gnu::hot]] P* Scheduler::release_p(M* m) {
  P* p = m->p;
  m->p = nullptr;
  p->m = nullptr;
  p->status.store(kPIdle, std::memory_order_release);
  return p;
}

[[gnu::hot]] P* Scheduler::idle_p_get() {
  P* p = idle_ps_;
  if (p == nullptr) return nullptr;
  idle_ps_ = p->link;
  p->link = nullptr;
  idle_p_count_.fetch_sub(1, std::memory_order_seq_cst);
  // The service threads sleep without a limit only while every P is idle.
  if (sysmon_asleep_.load(std::memory_order_seq_cst) != 0) wake_sleeper(sysmon_asleep_);
  // The poll thread also while an M sits in the poller; this P's M may be the one that left it.
  if (poll_thread_asleep_.load(std::memory_order_seq_cst) != 0 && m_polls_.load(std::memory_order_seq_cst) == 0 &&
      config_.poll_mode == PollMode::kHybrid) {
    wake_sleeper(poll_thread_asleep_);
  }
  return p;
}

[[gnu::hot]] void Scheduler::idle_p_put(P* p) {
  p->link = idle_ps_;
  idle_ps_ = p;
  // Under mutex_, and nobody is woken by it: no read-modify-write needed.
  idle_p_count_.store(idle_p_count_.load(std::memory_order_relaxed) + 1, std::memory_order_release);
}

void Scheduler::stop_m(M* m) {
  {
    const base::MutexLock lock(mutex_);
    if (stopping_.load(std::memory_order_relaxed)) return;
    // Work that was queued globally after this M looked, while its P was already on the idle list.
    if (!global_.empty() && idle_ps_ != nullptr) {
      acquire_p(m, idle_p_get());
      return;
    }
    m->link = idle_ms_;
    idle_ms_ = m;
    ++idle_m_count_;
  }
  m->note.sleep();
  m->note.clear();
  if (m->next_p != nullptr) acquire_p(m, m->next_p);
}

void Scheduler::start_m(P* p, bool spinning) {
  M* m;
  {
    const base::MutexLock lock(mutex_);
    m = idle_ms_;
    if (m != nullptr) {
      idle_ms_ = m->link;
      m->link = nullptr;
      --idle_m_count_;
      m->spinning = spinning;
      m->next_p = p;
    } else if (!stopping_.load(std::memory_order_relaxed)) {
      ms_.push_back(std::make_unique<M>());
      m = ms_.back().get();
      m->id = static_cast<std::uint32_t>(ms_.size() - 1);
      m->scheduler = this;
      m->spinning = spinning;
      m->next_p = p;
      base::start_thread(m->thread, &Scheduler::m_thread, m, "netpoll-m");
      return;
    } else {
      idle_p_put(p);
      if (spinning) spinning_ms_.fetch_sub(1, std::memory_order_seq_cst);
      return;
    }
  }
  m->note.wake();
}

// Wakes one M to look for work, unless one is looking already: it will wake the next one when it finds some.
void Scheduler::wake_p() {
  std::uint32_t none = 0;
  if (idle_p_count_.load(std::memory_order_seq_cst) == 0) return;
  if (spinning_ms_.load(std::memory_order_seq_cst) != 0 || !spinning_ms_.compare_exchange_strong(none, 1)) return;
  P* p;
  {
    const base::MutexLock lock(mutex_);
    p = idle_p_get();
  }
  if (p == nullptr) {
    spinning_ms_.fetch_sub(1, std::memory_order_seq_cst);
    return;
  }
  start_m(p, true);
}

void Scheduler::stop_spinning(M* m) {
  m->spinning = false;
  spinning_ms_.fetch_sub(1, std::memory_order_seq_cst);
  // Found work: there may be more of it.
  if (m->p->runq.size() > 1 || global_size_.load(std::memory_order_relaxed) != 0) wake_p();
}

// Gives away a P whose M went into a blocking call.
void Scheduler::hand_off_p(P* p) {
  const bool nobody_polls = config_.poll_mode != PollMode::kThread && !somebody_polls() &&
                            (poll_source_->waiters() != 0 || earliest_timer() != kNoTimer);
  if (!p->runq.empty() || global_size_.load(std::memory_order_relaxed) != 0 || nobody_polls) {
    start_m(p, false);
    return;
  }
  {
    const base::MutexLock lock(mutex_);
    if (global_.empty()) {
      idle_p_put(p);
      return;
    }
  }
  start_m(p, false);
}

// Takes every P whose M sits in a blocking call, if there is work for it. Returns whether one was taken.
bool Scheduler::retake_blocked_ps() {
  if (blocked_ps_.load(std::memory_order_seq_cst) == 0) return false;
  bool taken = false;
  for (const auto& p : ps_) {
    std::uint32_t expected = kPSyscall;
    if (p->status.load(std::memory_order_relaxed) != kPSyscall) continue;
    const bool work = !p->runq.empty() || global_size_.load(std::memory_order_relaxed) != 0 ||
                      poll_source_->waiters() != 0 || earliest_timer() != kNoTimer;
    if (!work || !p->status.compare_exchange_strong(expected, kPIdle, std::memory_order_seq_cst)) continue;
    blocked_ps_.fetch_sub(1, std::memory_order_seq_cst);
    hand_off_p(p.get());
    taken = true;
  }
  return taken;
}

bool Scheduler::add_rest(Rest& rest) {
  const base::MutexLock lock(mutex_);
  if (stopping_.load() || getpid() != pid_) return false;
  // In the order in which work moves: pollers and timers, then goroutines that other threads are taking from there,
  // then the queues that they put them into. So nothing can slip from a place not yet looked at to one that was.
  if (poll_source_->waiters() != 0 || earliest_timer() != kNoTimer) return false;
  if (external_ready_batches_.load() != 0 || external_ready_calls_.load() != 0) return false;
  const bool goroutines = live_gs_.load() != 0;
  // No M at all: the first goroutine is about to be queued.
  if (!global_.empty() || (goroutines && ms_.empty()) || idle_m_count_ != ms_.size()) return false;
  if (blocking_calls_.load() != 0 || spinning_ms_.load() != 0) return false;
  for (const auto& p : ps_) rest.rounds += p->tick.load(std::memory_order_relaxed);
  if (threads_started_) rest.threads += ms_.size() + 1 + (have_poll_thread_ ? 1 : 0);
  // Only while what they wait for has not come: then they are about to go on.
  if (main_ended_.load() == 0) rest.threads += wait_for_main_.load();
  if (goroutines) rest.threads += wait_for_last_.load();
  return true;
}

}  // namespace netpoll::sched
