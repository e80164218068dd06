// scheduler.cc: birth, end, and the view of a Scheduler.
#include "libruntime/sched/scheduler.h"

#include <sched.h>

#include <algorithm>
#include <string>

#include "libruntime/base/clock.h"
#include "libruntime/base/fatal.h"
#include "libruntime/base/system.h"
#include "libruntime/sched/crash_report.h"

namespace netpoll::sched {
namespace {

Config with_defaults(Config config) {
  if (config.procs <= 0) config.procs = base::usable_cpus();
  constexpr std::size_t kMinStack = 16 * 1024;
#if defined(NETPOLL_ASAN) || defined(NETPOLL_TSAN)
  config.stack_size *= 4;  // instrumented frames are several times larger
#endif
  config.stack_size = std::max(config.stack_size, kMinStack);
  return config;
}

}  // namespace

Scheduler::Scheduler(Config config)
    : config_(with_defaults(std::move(config))),
      debug_(DebugEnv::from_environment()),
      gs_(config_.stack_size),
      counters_(std::make_unique<trace::Counters[]>(static_cast<std::size_t>(config_.procs) + 1)),
      rings_(std::make_unique<trace::Ring[]>(static_cast<std::size_t>(config_.procs) + 1)),
      shared_lane_(trace::Lane::kShared, counters_[static_cast<std::size_t>(config_.procs)],
                   rings_[static_cast<std::size_t>(config_.procs)]),
      started_at_(base::nanotime()) {
  install_overflow_handler();
  install_crash_reports();
  coarse_now_.store(started_at_);
  for (int i = 0; i < config_.procs; ++i) {
    const auto id = static_cast<std::size_t>(i);
    ps_.push_back(std::make_unique<P>(static_cast<std::uint32_t>(i), config_.procs == 1, counters_[id], rings_[id]));
  }
  for (auto p = ps_.rbegin(); p != ps_.rend(); ++p) idle_p_put(p->get());
}

Scheduler::~Scheduler() { stop_threads(); }

void Scheduler::set_poll_source(PollSource& source) {
  poll_source_ = &source;
  enlist(*this);
}

void Scheduler::cancel_all() {
  canceled_.store(true, std::memory_order_seq_cst);
  poll_source_->cancel_all();
  cancel_waits();
}

void Scheduler::wait_until_no_goroutines() {
  for (;;) {
    const std::uint32_t word = live_gs_word_.load(std::memory_order_acquire);
    if (live_gs_.load(std::memory_order_acquire) == 0) return;
    wait_for_last_.fetch_add(1, std::memory_order_seq_cst);
    base::futex_wait(live_gs_word_, word);
    wait_for_last_.fetch_sub(1, std::memory_order_seq_cst);
  }
}

void Scheduler::wait_for_main() {
  while (main_ended_.load(std::memory_order_acquire) == 0) {
    wait_for_main_.fetch_add(1, std::memory_order_seq_cst);
    base::futex_wait(main_ended_, 0);
    wait_for_main_.fetch_sub(1, std::memory_order_seq_cst);
  }
}

void Scheduler::main_ended() {
  main_ended_.store(1, std::memory_order_seq_cst);
  base::futex_wake(main_ended_);
}

void Scheduler::stop_threads() {
  bool started;
  std::vector<M*> idle;
  std::vector<M*> all;
  {
    const base::MutexLock lock(mutex_);
    if (stopping_.exchange(true)) return;
    started = threads_started_;
    for (M* m = idle_ms_; m != nullptr; m = m->link) idle.push_back(m);
    idle_ms_ = nullptr;
    for (const auto& m : ms_) all.push_back(m.get());  // start_m() makes no more of them
  }
  if (!started) {
    delist(*this);
    return;
  }
  for (M* m : idle) m->note.wake();
  // Whoever sleeps in the poller wakes the next one on its way out.
  poll_source_->wake();
  for (auto* word : {&poll_thread_asleep_, &sysmon_asleep_}) {
    word->store(2, std::memory_order_seq_cst);
    base::futex_wake(*word);
  }
  for (const M* m : all) pthread_join(m->thread, nullptr);
  if (have_poll_thread_) pthread_join(poll_thread_, nullptr);
  pthread_join(sysmon_thread_, nullptr);
  while (external_ready_calls_.load(std::memory_order_acquire) != 0) sched_yield();
  delist(*this);
}

void Scheduler::print_goroutines() {
  const std::int64_t now = base::nanotime();
  for (std::uint64_t i = 0; i < gs_.count(); ++i) {
    const G& g = gs_.at(i);
    const GStatus status = g.load_status();
    if (status == GStatus::kIdle || status == GStatus::kDead) continue;
    const auto reason = static_cast<WaitReason>(g.wait_reason.load(std::memory_order_relaxed));
    const bool waiting = status == GStatus::kWaiting;
    const std::string name(waiting ? wait_reason_name(reason) : std::string_view{});
    const std::string state(g_status_name(status));
    base::log_line("G%llu: status=%s%s%s%s wait_ns=%lld fd=%d created_by=G%llu",
                   static_cast<unsigned long long>(g.goid.load()), state.c_str(), waiting ? "(" : "", name.c_str(),
                   waiting ? ")" : "",
                   static_cast<long long>(waiting ? now - g.wait_since.load(std::memory_order_relaxed) : 0),
                   waiting && reason == WaitReason::kIoWait ? g.wait_fd.load(std::memory_order_relaxed) : -1,
                   static_cast<unsigned long long>(g.parent_goid.load(std::memory_order_relaxed)));
  }
}

}  // namespace netpoll::sched
