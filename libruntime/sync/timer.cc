// Timer and Ticker over the timers of the scheduler.
#include "netpoll/sync/timer.h"

#include <atomic>
#include <utility>

#include "libruntime/base/clock.h"
#include "libruntime/base/fatal.h"
#include "libruntime/sched/random_step.h"
#include "libruntime/sched/scheduler.h"
#include "netpoll/base/mutex.h"
#include "netpoll/go.h"
#include "netpoll/time.h"

namespace netpoll::sync {

using Clock = std::chrono::steady_clock;

// Lock order: the timer's lock before a channel's and before the scheduler's.
struct TimerState {
  sched::Scheduler& scheduler;
  const std::function<void()> function;  // what to start, or nothing: then the time goes to the channel
  const Channel<Clock::time_point> channel{1};
  // The owner; a start that is queued or fires; a goroutine that runs function.
  std::atomic<std::uint32_t> references{1};
  base::Mutex lock;
  sched::HeapTimer timer NETPOLL_GUARDED_BY(lock);
  std::int64_t period NETPOLL_GUARDED_BY(lock) = 0;  // ns, 0: once
  // Names the latest start; an older one that fires late finds that it is not meant.
  std::uint64_t starts NETPOLL_GUARDED_BY(lock) = 0;
  bool pending NETPOLL_GUARDED_BY(lock) = false;  // the latest start is still to fire
};

namespace {

void drop(TimerState* state) {
  if (state->references.fetch_sub(1, std::memory_order_acq_rel) == 1) delete state;
}

void start_function(TimerState* state) {
  state->references.fetch_add(1, std::memory_order_relaxed);
  const auto run = [state] {
    // function may end its goroutine by go_exit().
    const std::unique_ptr<TimerState, void (*)(TimerState*)> reference(state, drop);
    state->function();
  };
  detail::spawn(&state->scheduler, run, nullptr);
}

// By whichever thread runs the scheduler's timers.
void fire(void* argument, std::uint64_t start) {
  auto* const state = static_cast<TimerState*>(argument);
  bool again = false;
  {
    // What the timer does is done under the lock, so that it is done, or will never be, when stop() returns.
    const base::MutexLock hold(state->lock);
    NETPOLL_STEP();
    if (state->starts == start) {
      const std::int64_t now = base::nanotime();
      if (state->function != nullptr) {
        start_function(state);
      } else {
        state->channel.try_send(Clock::time_point(std::chrono::nanoseconds(now)));
      }
      again = state->period > 0;
      state->pending = again;
      if (again) {
        const std::int64_t missed = (now - state->timer.when) / state->period * state->period;
        state->timer.when = detail::saturated_sum(state->timer.when + missed, state->period);
        state->scheduler.start_timer(state->timer);
      }
    }
  }
  if (!again) drop(state);
}

// Returns whether the latest start was still to fire.
bool cancel(TimerState& state) NETPOLL_REQUIRES(state.lock) {
  ++state.starts;
  if (sched::stop_timer(state.timer)) state.references.fetch_sub(1, std::memory_order_relaxed);  // never the last one
  while (state.channel.try_recv()) {
  }
  return std::exchange(state.pending, false);
}

void start(TimerState& state, std::chrono::nanoseconds span, std::chrono::nanoseconds period)
    NETPOLL_REQUIRES(state.lock) {
  state.period = period.count();
  state.pending = true;
  state.timer.when = detail::to_ns(after(span));
  state.timer.callback = fire;
  state.timer.arg = &state;
  state.timer.seq = state.starts;
  state.references.fetch_add(1, std::memory_order_relaxed);
  state.scheduler.start_timer(state.timer);
}

}  // namespace

TimerState* timer_make(std::chrono::nanoseconds span, std::chrono::nanoseconds period, std::function<void()> function) {
  auto* const state = new TimerState{.scheduler = sched::current(), .function = std::move(function)};
  timer_reset(*state, span, period);
  return state;
}

bool timer_stop(TimerState& state) {
  const base::MutexLock hold(state.lock);
  return cancel(state);
}

bool timer_reset(TimerState& state, std::chrono::nanoseconds span, std::chrono::nanoseconds period) {
  const base::MutexLock hold(state.lock);
  const bool was_pending = cancel(state);
  start(state, span, period);
  return was_pending;
}

void timer_drop(TimerState* state) {
  timer_stop(*state);
  drop(state);
}

std::chrono::nanoseconds ticker_period(std::chrono::nanoseconds period) {
  if (period.count() <= 0) base::fatal("netpoll: the period of a Ticker must be positive");
  return period;
}

const Channel<Clock::time_point>& timer_channel(const TimerState& state) { return state.channel; }

}  // namespace netpoll::sync
