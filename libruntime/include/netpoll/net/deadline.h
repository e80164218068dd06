// TimePoint: how deadlines are given. The steady clock is CLOCK_MONOTONIC, on which the runtime's timers run.
#pragma once

#include <chrono>

namespace netpoll {

using TimePoint = std::chrono::steady_clock::time_point;

// The deadline that never comes; setting it clears an earlier one.
inline constexpr TimePoint kNoDeadline = TimePoint::max();

// The point of time that is d from now: conn.set_deadline(netpoll::after(2s)).
inline TimePoint after(std::chrono::nanoseconds d) { return std::chrono::steady_clock::now() + d; }

}  // namespace netpoll
