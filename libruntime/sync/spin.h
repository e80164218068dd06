// spin.h: a little patience before a goroutine parks for a lock.
//
// Worth it only if the owner can be running at the same time, so never with one P. Short: parking and coming back costs
// about 200 ns, and an owner that is itself parked will not be back while we spin.
#pragma once

#include "libruntime/sched/scheduler.h"

namespace netpoll::sync {

class Spin {
 public:
  // Burns some 50 ns and returns true, or returns false: enough.
  bool once() {
    if (rounds_left_ == kUndecided) rounds_left_ = sched::current().ps().size() > 1 ? kRounds : 0;
    if (rounds_left_ == 0) return false;
    --rounds_left_;
    for (int i = 0; i < kPausesPerRound; ++i) {
#if defined(__x86_64__)
      __builtin_ia32_pause();
#elif defined(__aarch64__)
      __asm__ volatile("yield");
#endif
    }
    return true;
  }

 private:
  static constexpr int kUndecided = -1;
  static constexpr int kRounds = 8;
  static constexpr int kPausesPerRound = 4;
  int rounds_left_ = kUndecided;
};

}  // namespace netpoll::sync
