// precise_timer.h: a timer of Windows that keeps to tenths of a millisecond.
#pragma once

#include <windows.h>

#include <cstdint>

namespace netpoll::base {

// PreciseTimer: a handle that becomes signalled when the time is over. Of high resolution since Windows 10 1803;
// before, and where the emulation lacks it, as exact as the tick of the system clock. Not thread-safe.
class PreciseTimer {
 public:
  PreciseTimer() {
    timer_ = CreateWaitableTimerExW(nullptr, nullptr, kHighResolution, TIMER_ALL_ACCESS);
    if (timer_ == nullptr) timer_ = CreateWaitableTimerExW(nullptr, nullptr, 0, TIMER_ALL_ACCESS);
  }
  ~PreciseTimer() {
    if (timer_ != nullptr) CloseHandle(timer_);
  }
  PreciseTimer(const PreciseTimer&) = delete;
  PreciseTimer& operator=(const PreciseTimer&) = delete;

  // Starts it anew. False when there is no timer, and the caller has to wait by other means.
  bool start(std::int64_t after_ns) {
    if (timer_ == nullptr) return false;
    LARGE_INTEGER due;
    due.QuadPart = -((after_ns + 99) / 100);  // relative, in units of 100 ns
    return SetWaitableTimer(timer_, &due, 0, nullptr, nullptr, FALSE) != 0;
  }

  HANDLE handle() const { return timer_; }

 private:
  static constexpr DWORD kHighResolution = 2;  // CREATE_WAITABLE_TIMER_HIGH_RESOLUTION

  HANDLE timer_ = nullptr;
};

}  // namespace netpoll::base
