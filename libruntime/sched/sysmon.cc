// sysmon.cc: the thread that watches what nobody else can: Ps left behind in blocking calls, goroutines that do not
// yield, queues that wait beside idle Ps, stacks that nobody uses; in inline mode also a poller that nobody asked for
// 10 ms (Go: proc.go, sysmon). Wakes every 10 ms while anything runs and sleeps without a limit while every P is idle.
#include <algorithm>
#include <cstdio>
#include <optional>
#include <vector>

#include "libruntime/base/clock.h"
#include "libruntime/base/fatal.h"
#include "libruntime/base/system.h"
#include "libruntime/sched/scheduler.h"
#include "netpoll/time.h"

namespace netpoll::sched {
namespace {

constexpr std::int64_t kTick = 10'000'000;
constexpr int kIdleTicks = 3;
constexpr std::int64_t kInlinePollAfter = 10'000'000;
constexpr std::int64_t kTrimEvery = 1'000'000'000;
constexpr std::int64_t kAuditEvery = 1'000'000'000;
constexpr std::int64_t kAuditShare = 100;
// How soon a Runtime whose goroutines all wait asks again whether somebody is left to wake one: at first, and at most;
// each time after twice as long.
constexpr std::int64_t kAskFirst = 100'000'000;
constexpr std::int64_t kAskMost = 60'000'000'000;

}  // namespace

// With 100,000 registrations an audit takes most of a second, during which the kernel keeps epoll_wait and epoll_ctl
// waiting. It may take a hundredth of the time, however many there are.
std::int64_t next_audit_after(std::int64_t begin, std::int64_t end) {
  return end + std::max(kAuditEvery, (end - begin) * kAuditShare);
}

void Scheduler::sysmon_loop() {
  int idle_ticks = 0;
  std::optional<Rest> suspected;
  std::int64_t ask_after = kAskFirst;
  std::int64_t next_trim = base::nanotime() + kTrimEvery;
  std::int64_t next_audit = 0;
  std::int64_t next_trace = detail::saturated_sum(base::nanotime(), debug_.schedtrace_ns);
  std::vector<HogWatch> hogs(ps_.size());
  while (!stopping_.load(std::memory_order_seq_cst)) {
    const bool all_idle = idle_p_count_.load(std::memory_order_seq_cst) == ps_.size();
    idle_ticks = all_idle ? idle_ticks + 1 : 0;
    if (idle_ticks >= kIdleTicks) {
      // Twice, a tick apart: between a timer's leaving its heap and its goroutine's entering a queue there is a moment
      // that looks the same.
      Rest ours;
      const bool all_wait = progress_expected_.load() && live_gs_.load() != 0 && add_rest(ours);
      const std::optional<Rest> rest = all_wait ? everybody_at_rest() : std::nullopt;
      // The threads are counted between two looks: had one ended that woke somebody, the second would tell.
      const bool deadlocked = rest && base::nothing_else_acts(rest->threads) && everybody_at_rest() == rest;
      if (deadlocked && rest == suspected) {
        base::log_line("fatal error: all goroutines are asleep - deadlock!");
        print_goroutines();
        base::fatal("netpoll: deadlock");
      }
      suspected = deadlocked ? rest : std::nullopt;
      if (suspected) {
        base::futex_wait(sysmon_asleep_, 0, kTick);
        continue;
      }
      std::int64_t limit = debug_.schedtrace_ns != 0 ? debug_.schedtrace_ns : -1;
      if (all_wait) {
        limit = limit < 0 ? ask_after : std::min(limit, ask_after);
        ask_after = std::min(2 * ask_after, kAskMost);
      } else {
        ask_after = kAskFirst;
      }
      trim_free_stacks();
      if (const std::int64_t now = base::nanotime(); now >= next_audit) {
        poll_source_->audit();
        next_audit = next_audit_after(now, base::nanotime());
      }
      sysmon_asleep_.store(1, std::memory_order_seq_cst);
      if (idle_p_count_.load(std::memory_order_seq_cst) == ps_.size() && !stopping_.load(std::memory_order_seq_cst)) {
        base::futex_wait(sysmon_asleep_, 1, limit);
      }
      // Woken: whoever takes a P has set it to 0.
      if (sysmon_asleep_.exchange(0, std::memory_order_seq_cst) == 0) idle_ticks = 0;
    } else {
      base::futex_wait(sysmon_asleep_, 0, kTick);
    }
    const std::int64_t now = base::nanotime();
    coarse_now_.store(now, std::memory_order_relaxed);
    sysmon_tick(now);
    if (debug_.hog_ns != 0) report_hogs(hogs, now);
    if (debug_.schedtrace_ns != 0 && now >= next_trace) {
      print_trace(now);
      next_trace = detail::saturated_sum(now, debug_.schedtrace_ns);
    }
    if (now >= next_trim) {
      trim_free_stacks();
      next_trim = now + kTrimEvery;
    }
  }
}

void Scheduler::sysmon_tick(std::int64_t now) {
  retake_blocked_ps();
  // Of a P whose goroutine computes and does not yield.
  poll_source_->flush_queued();
  if (config_.poll_mode == PollMode::kInline && poll_source_->initialized()) {
    std::int64_t last = last_poll_.load(std::memory_order_relaxed);
    if (last != 0 && now - last > kInlinePollAfter && last_poll_.compare_exchange_strong(last, now)) {
      GList list;
      poll_source_->poll(0, list);
      inject(list);
      end_external_ready();
    }
  }
  if (idle_p_count_.load(std::memory_order_relaxed) == 0) return;
  for (const auto& p : ps_) {
    if (!p->runq.empty()) {
      wake_p();
      break;
    }
  }
  // Timers of a P whose goroutine computes, beside idle Ps that nobody told.
  if (!somebody_polls() && earliest_timer() <= now) wake_p();
}

// Names a goroutine that kept its P through two looks that lie hog_ns apart, once per stay.
void Scheduler::report_hogs(std::vector<HogWatch>& hogs, std::int64_t now) {
  for (std::size_t i = 0; i < ps_.size(); ++i) {
    const std::uint32_t tick = ps_[i]->tick.load(std::memory_order_relaxed);
    HogWatch& hog = hogs[i];
    if (ps_[i]->status.load(std::memory_order_relaxed) != kPRunning || tick != hog.tick) {
      hog = HogWatch{tick, now, false};
      continue;
    }
    if (hog.reported || now - hog.since < debug_.hog_ns) continue;
    hog.reported = true;
    base::log_line("HOG goroutine %llu has been on P%zu for %lld ms",
                   static_cast<unsigned long long>(ps_[i]->running_goid.load(std::memory_order_relaxed)), i,
                   static_cast<long long>((now - hog.since) / 1'000'000));
  }
}

// Gives the pages of dead goroutines' stacks back, except of those that a P keeps warm.
void Scheduler::trim_free_stacks() {
  GList trimmed;
  for (;;) {
    // One at a time and outside the lock: madvise may take a while, and an M that wants a G need not wait for it.
    G* g;
    {
      const base::MutexLock lock(mutex_);
      g = free_gs_.pop_front();
    }
    if (g == nullptr) break;
    context::stack_trim(g->stack);
    g->cold = true;
    trimmed.push_back(g);
  }
  const base::MutexLock lock(mutex_);
  cold_gs_.append(trimmed);
}

void Scheduler::print_trace(std::int64_t now) {
  char queues[512];
  int used = 0;
  for (const auto& p : ps_) {
    if (used > static_cast<int>(sizeof queues) - 16) break;
    used += std::snprintf(queues + used, sizeof queues - static_cast<std::size_t>(used), used == 0 ? "%u" : " %u",
                          p->runq.size());
  }
  std::size_t threads, idle_threads;
  {
    const base::MutexLock lock(mutex_);
    threads = ms_.size();
    idle_threads = idle_m_count_;
  }
  base::log_line(
      "SCHED %lldms: procs=%zu idleprocs=%u threads=%zu spinning=%u idlethreads=%zu runqueue=%u [%s] gs=%llu "
      "waiting=%u polls=%llu",
      static_cast<long long>((now - started_at_) / 1'000'000), ps_.size(), idle_p_count_.load(), threads,
      spinning_ms_.load(), idle_threads, global_size_.load(), queues, static_cast<unsigned long long>(live_gs_.load()),
      poll_source_->waiters(), static_cast<unsigned long long>(m_poll_count_.load()));
  if (!debug_.scheddetail) return;
  for (const auto& p : ps_) {
    static const char* const names[] = {"idle", "running", "syscall"};
    base::log_line("P%u: status=%s tick=%u runq=%u timers=%zu", p->id, names[p->status.load()], p->tick.load(),
                   p->runq.size(), p->timers.size());
  }
  print_goroutines();
}

}  // namespace netpoll::sched
