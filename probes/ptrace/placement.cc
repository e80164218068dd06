// Finds the busy thread, and moves both to its CPU.
#include "probes/ptrace/placement.h"

#include <signal.h>
#include <unistd.h>

#include "libruntime/base/clock.h"
#include "probes/process/proc_status.h"

namespace netpoll::probes {
namespace {

// A thread is the busy one when it has this share of a window's events.
constexpr int kWindow = 16;
constexpr int kDominant = 14;
// After a window without a busy thread, this many are left alone: pinning costs about as much as ten stops.
constexpr int kRestAfterMix = 4;
// How long a pair stays before the scheduler may move it, and for how many windows it may.
constexpr std::int64_t kReviewNs = 250'000'000;
constexpr int kRestForReview = 1;

bool set_affinity(pid_t tid, const cpu_set_t& cpus) { return sched_setaffinity(tid, sizeof cpus, &cpus) == 0; }

bool narrow(pid_t tid, int cpu) {
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(static_cast<std::size_t>(cpu), &one);
  return set_affinity(tid, one);
}

}  // namespace

Placement::Placement(int tick_signal) {
  CPU_ZERO(&own_);
  // Fails on machines with more CPUs than cpu_set_t holds; then we leave everything alone.
  if (sched_getaffinity(0, sizeof own_, &own_) != 0 || CPU_COUNT(&own_) <= 1) return;
  sigevent event = {};
  event.sigev_notify = SIGEV_THREAD_ID;
  event.sigev_signo = tick_signal;
  event._sigev_un._tid = gettid();  // glibc has no public name for this member before 2.39
  timer_t timer = {};
  if (timer_create(CLOCK_MONOTONIC, &event, &timer) != 0) return;
  timer_ = timer;
  useless_ = false;
}

Placement::~Placement() {
  lift();
  if (timer_) timer_delete(*timer_);
}

void Placement::set_timer(bool on) {
  itimerspec spec = {};
  if (on) spec.it_interval = spec.it_value = {0, static_cast<long>(kReviewNs)};
  timer_settime(*timer_, 0, &spec, nullptr);
}

void Placement::note(pid_t tid) {
  if (useless_) return;
  if (events_ == 0) candidate_ = tid;
  if (tid == candidate_) ++hits_;
  if (++events_ == kWindow) review();
}

void Placement::review() {
  const bool dominant = hits_ >= kDominant;
  events_ = 0;
  hits_ = 0;
  if (rest_ > 0) {
    --rest_;
    return;
  }
  if (!dominant) {
    lift();
    rest_ = kRestAfterMix;
    return;
  }
  if (pin_ && pin_->tid == candidate_) {
    tick();
    return;
  }
  lift();
  pin(candidate_);
}

void Placement::tick() {
  if (!pin_ || base::nanotime() - pinned_at_ns_ < kReviewNs) return;
  lift();
  rest_ = kRestForReview;
}

void Placement::pin(pid_t tid) {
  const std::optional<int> cpu = last_cpu(tid);
  Pin pin = {tid, cpu.value_or(-1), {}};
  if (!cpu || *cpu >= CPU_SETSIZE || !CPU_ISSET(static_cast<std::size_t>(*cpu), &own_)) return;
  if (sched_getaffinity(tid, sizeof pin.before, &pin.before) != 0) return;
  pinned_at_ns_ = base::nanotime();
  if (!narrow(tid, *cpu)) return;
  pin_ = pin;
  narrow(0, *cpu);
  set_timer(true);
}

void Placement::lift() {
  if (!pin_) return;
  set_timer(false);
  set_affinity(0, own_);
  // Somebody else may have moved the thread meanwhile (taskset -p), and that is to last.
  cpu_set_t now;
  if (sched_getaffinity(pin_->tid, sizeof now, &now) == 0 && CPU_COUNT(&now) == 1 &&
      CPU_ISSET(static_cast<std::size_t>(pin_->cpu), &now)) {
    set_affinity(pin_->tid, pin_->before);
  }
  pin_.reset();
}

void Placement::forget(pid_t tid) {
  if (!pin_ || pin_->tid != tid) return;
  set_timer(false);
  set_affinity(0, own_);
  pin_.reset();
}

}  // namespace netpoll::probes
