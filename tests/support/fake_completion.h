// FakeCompletion: a back end of the completion family whose operations the test finishes, in two steps where it wants
// to: the operation is done, and somebody's poll() tells so.
#pragma once

#include <algorithm>
#include <mutex>
#include <vector>

#include "tests/support/scripted_poller.h"

namespace netpoll::test {

class FakeCompletion final : public ScriptedPoller<poll::CompletionPoller> {
 public:
  int open(int, std::uint64_t) override { return 0; }
  bool submit(poll::Operation& op) override {
    std::lock_guard lock(mutex_);
    under_way_.push_back(&op);
    if (at_once_) finish_locked(op, 0, true);
    return lazy_;
  }
  bool cancel(poll::Operation& op) override {
    std::lock_guard lock(mutex_);
    canceled_.push_back(&op);
    return lazy_;
  }
  bool outlives_shutdown() const override { return true; }
  void flush() override {
    std::lock_guard lock(mutex_);
    ++flushes_;
  }
  int poll(std::int64_t delay_ns, poll::Readiness* out, int max) override {
    flush();
    return ScriptedPoller::poll(delay_ns, out, max);
  }

  // The test's side.
  // Every operation is done before submit() returns.
  void at_once(bool on) {
    std::lock_guard lock(mutex_);
    at_once_ = on;
  }
  // Operations stand in a queue until the next poll() or flush().
  void lazy(bool on) {
    std::lock_guard lock(mutex_);
    lazy_ = on;
  }
  std::size_t under_way() {
    std::lock_guard lock(mutex_);
    return under_way_.size();
  }
  poll::Operation& oldest() {
    std::lock_guard lock(mutex_);
    return *under_way_.front();
  }
  bool canceled(const poll::Operation& op) {
    std::lock_guard lock(mutex_);
    return std::find(canceled_.begin(), canceled_.end(), &op) != canceled_.end();
  }
  int flushes() {
    std::lock_guard lock(mutex_);
    return flushes_;
  }
  // Ends op. told: the next poll() reports it; else the caller deliver()s what this returns.
  poll::Readiness finish(poll::Operation& op, long result, bool told = true) {
    std::lock_guard lock(mutex_);
    return finish_locked(op, result, told);
  }

 private:
  poll::Readiness finish_locked(poll::Operation& op, long result, bool told) {
    const poll::Readiness event{op.data, op.modes, false, false};
    std::erase(under_way_, &op);
    std::erase(canceled_, &op);
    op.result = result;
    op.done.store(true, std::memory_order_release);
    if (told) deliver(event);
    return event;
  }

  std::mutex mutex_;
  std::vector<poll::Operation*> under_way_;
  std::vector<poll::Operation*> canceled_;
  bool at_once_ = false;
  bool lazy_ = false;
  int flushes_ = 0;
};

}  // namespace netpoll::test
