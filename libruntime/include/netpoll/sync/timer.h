// Timer and Ticker: the time as a channel element, once or again and again; or a goroutine later.
//
//   netpoll::Timer idle(30s);
//   netpoll::select(netpoll::on_recv(requests, serve), netpoll::on_recv(idle.channel(), [](auto) { give_up(); }));
//   idle.reset(30s);
//
//   netpoll::Ticker ticker(1s);
//   for (auto now : ticker.channel()) report(now);
//
//   netpoll::Timer flush(50ms, [&] { log.flush(); });  // a goroutine, unless stopped or destroyed before
//
// Ownership: an object is a timer, and its destructor stops it. The channel may outlive it.
// Threads:   made in a goroutine, whose Runtime then fires it and must outlive it. stop() and reset() from any thread;
//            whoever destroys or moves it needs it for himself.
// Order:     once stop() or reset() has returned, nothing of an earlier start arrives any more: an element that nobody
//            received is thrown away (Go: since 1.23). A goroutine that runs already is not waited for.
// Slow:      the channel holds one element. A Ticker whose receiver is late drops ticks and keeps its phase.
// Limits:    a span of 0 or less fires at once. For one wait with a limit, select's after() needs no Timer, and
//            Channel::recv_until, Conn::set_deadline and Context::with_timeout have their own.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <type_traits>
#include <utility>

#include "netpoll/sync/channel.h"

namespace netpoll {

namespace sync {
struct TimerState;
TimerState* timer_make(std::chrono::nanoseconds span, std::chrono::nanoseconds period, std::function<void()> function);
bool timer_stop(TimerState& state);
bool timer_reset(TimerState& state, std::chrono::nanoseconds span, std::chrono::nanoseconds period);
void timer_drop(TimerState* state);
std::chrono::nanoseconds ticker_period(std::chrono::nanoseconds period);  // fatal unless positive
const Channel<std::chrono::steady_clock::time_point>& timer_channel(const TimerState& state);

struct TimerDrop {
  void operator()(TimerState* state) const { timer_drop(state); }
};
}  // namespace sync

class Timer {
 public:
  // Sends the time to channel() after span.
  explicit Timer(std::chrono::nanoseconds span) : state_(sync::timer_make(span, {}, nullptr)) {}
  // Starts f as a goroutine after span. The channel stays empty.
  template <typename F>
  requires std::is_invocable_v<F&> Timer(std::chrono::nanoseconds span, F f)
      : state_(sync::timer_make(span, {}, [shared = std::make_shared<F>(std::move(f))] { (*shared)(); })) {}

  const Channel<std::chrono::steady_clock::time_point>& channel() const { return sync::timer_channel(*state_); }

  // Returns whether that kept it from firing; false: it has fired, or was stopped before.
  bool stop() { return sync::timer_stop(*state_); }
  // Starts it anew, whatever it does now. Returns whether it was still to fire.
  bool reset(std::chrono::nanoseconds span) { return sync::timer_reset(*state_, span, {}); }

 private:
  std::unique_ptr<sync::TimerState, sync::TimerDrop> state_;
};

class Ticker {
 public:
  // Sends the time to channel() every period, the first time after one. period must be positive (fatal).
  explicit Ticker(std::chrono::nanoseconds period)
      : state_(sync::timer_make(sync::ticker_period(period), period, nullptr)) {}

  const Channel<std::chrono::steady_clock::time_point>& channel() const { return sync::timer_channel(*state_); }

  // No more ticks; the channel is not closed, so that a receiver does not take that for one.
  void stop() { sync::timer_stop(*state_); }
  // Another period, which begins now; also after stop().
  void reset(std::chrono::nanoseconds period) { sync::timer_reset(*state_, sync::ticker_period(period), period); }

 private:
  std::unique_ptr<sync::TimerState, sync::TimerDrop> state_;
};

}  // namespace netpoll
