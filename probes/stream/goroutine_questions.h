// GoroutineQuestions: processes that may be Go programs, and are asked until that is known.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <vector>

#include "probes/stream/goroutine_names.h"

namespace netpoll::probes {

// One thread at a time.
class GoroutineQuestions {
 public:
  // tgid is the source's own number for pid.
  void add(std::uint32_t tgid, pid_t pid) { questions_.push_back({tgid, pid}); }
  // Asks all that are open, unless it did so a moment ago, and calls found for those that are Go programs. One that has
  // not said within a second what it is never will.
  void ask(GoroutineNames& goroutines, const std::function<void(std::uint32_t tgid, const CurrentG&)>& found);

 private:
  static constexpr int kTimes = 100;
  struct Question {
    std::uint32_t tgid = 0;
    pid_t pid = 0;
    int times_left = kTimes;
  };

  std::vector<Question> questions_;
  std::chrono::steady_clock::time_point next_{};
};

}  // namespace netpoll::probes
