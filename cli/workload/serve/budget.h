// budget.h: how long a self-driven workload goes on.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

#include "cli/workload/workload.h"
#include "netpoll/go.h"

namespace netpoll::workload {

// Hands out exactly --ops operations to whoever asks first, and none after --duration. Thread-safe.
class Budget {
 public:
  explicit Budget(const Plan& plan)
      : left_(plan.ops > 0 ? static_cast<std::int64_t>(plan.ops) : INT64_MAX),
        until_(plan.duration.count() > 0 ? std::chrono::steady_clock::now() + plan.duration
                                         : std::chrono::steady_clock::time_point::max()) {}

  // Whether the caller may do one more.
  bool take() {
    if (canceled() || std::chrono::steady_clock::now() >= until_) return false;
    // Going below zero by one per asking goroutine is harmless.
    return left_.fetch_sub(1, std::memory_order_relaxed) > 0;
  }

 private:
  std::atomic<std::int64_t> left_;
  const std::chrono::steady_clock::time_point until_;
};

inline std::int64_t since_ns(std::chrono::steady_clock::time_point begin) {
  return (std::chrono::steady_clock::now() - begin) / std::chrono::nanoseconds(1);
}

}  // namespace netpoll::workload
