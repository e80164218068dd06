// FakePoller: a back end whose events are scripted by the test. It obeys the contract of poll/poller.h: poll() blocks
// until an event or a wake, many threads may call it.
#pragma once

#include <map>
#include <mutex>

#include "tests/support/scripted_poller.h"

namespace netpoll::test {

class FakePoller final : public ScriptedPoller<poll::Poller> {
 public:
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

  // The test's side.
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
  bool is_registered(int fd) {
    std::lock_guard lock(mutex_);
    return registered_.count(fd) == 1;
  }
  // Somebody else's EPOLL_CTL_DEL.
  void forget(int fd) {
    std::lock_guard lock(mutex_);
    registered_.erase(fd);
  }

 private:
  std::mutex mutex_;
  std::map<int, std::uint64_t> registered_;
  std::map<int, std::uint32_t> armed_;
  int arms_ = 0;
};

}  // namespace netpoll::test
