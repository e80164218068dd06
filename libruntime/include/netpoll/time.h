// time.h: points of time, and the one sum of a point and a span.
#pragma once

#include <chrono>
#include <cstdint>

namespace netpoll {

// How deadlines are given. The steady clock is CLOCK_MONOTONIC, on which the runtime's timers run.
using TimePoint = std::chrono::steady_clock::time_point;

namespace detail {
// time + span, both in nanoseconds. What lies beyond the clock's range becomes its first or last point, so that the
// longest span means "never" and not "in the past". Wherever a caller's span is added to a time, it is added by this.
constexpr std::int64_t saturated_sum(std::int64_t time, std::int64_t span) {
  std::int64_t sum = 0;
  if (!__builtin_add_overflow(time, span, &sum)) return sum;
  return span < 0 ? INT64_MIN : INT64_MAX;
}

constexpr std::int64_t to_ns(TimePoint time) { return time.time_since_epoch() / std::chrono::nanoseconds(1); }
}  // namespace detail

// The point of time that is span from now: conn.set_deadline(netpoll::after(2s)). A select takes it as a case.
inline TimePoint after(std::chrono::nanoseconds span) {
  return TimePoint(
      std::chrono::nanoseconds(detail::saturated_sum(detail::to_ns(std::chrono::steady_clock::now()), span.count())));
}

}  // namespace netpoll
