#pragma once

#include <cstdint>
#include <ctime>

namespace netpoll::probes {

// Nanoseconds of CLOCK_MONOTONIC, read without a system call.
inline std::uint64_t monotonic_ns() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(now.tv_nsec);
}

}  // namespace netpoll::probes
