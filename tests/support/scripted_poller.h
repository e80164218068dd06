// ScriptedPoller: the half that FakePoller and FakeCompletion have in common: poll() reports the events that the test
// delivers, and blocks until one comes or somebody wakes it. Any number of threads may call it.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>

#include "libruntime/poll/poller.h"

namespace netpoll::test {

// Family: poll::Poller or poll::CompletionPoller.
template <typename Family>
class ScriptedPoller : public Family {
 public:
  int init() override { return 0; }
  int poll(std::int64_t delay_ns, poll::Readiness* out, int max) override {
    std::unique_lock lock(events_mutex_);
    const auto something = [&] { return woken_ || !events_.empty(); };
    if (delay_ns < 0) {
      changed_.wait(lock, something);
    } else if (delay_ns > 0) {
      changed_.wait_for(lock, std::chrono::nanoseconds(delay_ns), something);
    }
    if (delay_ns != 0) woken_ = false;
    int count = 0;
    while (count < max && !events_.empty()) {
      out[count++] = events_.front();
      events_.pop_front();
    }
    return count;
  }
  void wake() override {
    std::lock_guard lock(events_mutex_);
    woken_ = true;
    changed_.notify_all();
  }
  int debug_fd() const override { return -1; }

  // The test's side.
  void deliver(poll::Readiness event) {
    std::lock_guard lock(events_mutex_);
    events_.push_back(event);
    changed_.notify_all();
  }
  bool delivered() {
    std::lock_guard lock(events_mutex_);
    return events_.empty();
  }

 private:
  std::mutex events_mutex_;
  std::condition_variable changed_;
  std::deque<poll::Readiness> events_;
  bool woken_ = false;
};

}  // namespace netpoll::test
