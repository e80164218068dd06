// clock.h: clocks in nanoseconds, and nanotime(), the one that all times of the runtime and of the tool are of.
#pragma once

#include <time.h>

#include <cstdint>

namespace netpoll::base {

// clock is one that exists and that the caller may read; 0 otherwise.
inline std::int64_t read_clock(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return now.tv_sec * 1'000'000'000 + now.tv_nsec;
}

// CLOCK_MONOTONIC. No system call; async-signal-safe.
inline std::int64_t nanotime() { return read_clock(CLOCK_MONOTONIC); }

}  // namespace netpoll::base
