// FakePoller: a back end whose events are scripted by the test. It obeys the contract of poll/poller.h: poll() blocks
// until an event or a wake, many threads may call it.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <vector>

#include "libruntime/poll/poller.h"

namespace netpoll::test {

class FakePoller final : public poll::Poller {
 public:
  int init() override { return 0; }
  int open(int fd, std::uint64_t data) override {
    std::lock_guard lock(mutex_);
    if (!registered_.emplace(fd, data).second) return -17;  // EEXIST
    return 0;
  }
  int arm(int fd, std::uint64_t data, std::uint32_t modes) override {
    std::lock_guard lock(mutex_);
    if (registered_.count(fd) == 0) return -2;  // ENOENT
    registered_[fd] = data;
    armed_[fd] = modes;
    ++arms_;
    return 0;
  }
  int arm_edge(int fd, std::uint64_t data) override {
    std::lock_guard lock(mutex_);
    if (registered_.count(fd) == 0) return -2;  // ENOENT
    registered_[fd] = data;
    armed_[fd] = kEdge;
    ++arms_;
    return 0;
  }
  int repair(int fd, std::uint64_t data) override {
    std::lock_guard lock(mutex_);
    registered_[fd] = data;
    return 0;
  }
  int close(int fd) override {
    std::lock_guard lock(mutex_);
    return registered_.erase(fd) == 1 ? 0 : -2;
  }
  bool outlives_close(bool shared) const override { return shared; }
  int poll(std::int64_t delay_ns, poll::Readiness* out, int max) override {
    std::unique_lock lock(mutex_);
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
    std::lock_guard lock(mutex_);
    woken_ = true;
    changed_.notify_all();
  }
  int debug_fd() const override { return -1; }

  // The test's side.
  void deliver(poll::Readiness event) {
    std::lock_guard lock(mutex_);
    events_.push_back(event);
    changed_.notify_all();
  }
  bool delivered() {
    std::lock_guard lock(mutex_);
    return events_.empty();
  }
  std::uint64_t data_of(int fd) {
    std::lock_guard lock(mutex_);
    return registered_.at(fd);
  }
  static constexpr std::uint32_t kEdge = 4;
  // The directions, or kEdge after arm_edge().
  std::uint32_t armed(int fd) {
    std::lock_guard lock(mutex_);
    return armed_[fd];
  }
  int arms() {
    std::lock_guard lock(mutex_);
    return arms_;
  }
  // Somebody else's EPOLL_CTL_DEL.
  void forget(int fd) {
    std::lock_guard lock(mutex_);
    registered_.erase(fd);
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<poll::Readiness> events_;
  std::map<int, std::uint64_t> registered_;
  std::map<int, std::uint32_t> armed_;
  bool woken_ = false;
  int arms_ = 0;
};

}  // namespace netpoll::test
