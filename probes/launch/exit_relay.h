// ExitRelay: how a child's exit status reaches its Child when another thread of this process traces it. The kernel
// hands the status of a traced process to the tracer, once; if tracer and parent are the same process the parent's own
// wait finds nothing. So a tracing thread says that it traces, and passes on the status that it reaped.
#pragma once

#include <condition_variable>
#include <mutex>
#include <optional>

namespace netpoll::probes {

// Thread-safe. Shared by one Child and at most one tracer.
class ExitRelay {
 public:
  // The tracer will reap the child, until it delivers a status or releases the child.
  void take() {
    std::lock_guard lock(mutex_);
    taken_ = true;
  }
  // The tracer reaped the child: its status in the encoding of wait(2).
  void deliver(int wait_status) {
    std::lock_guard lock(mutex_);
    status_ = wait_status;
    taken_ = false;
    changed_.notify_all();
  }
  // The tracer does not trace the child any more; from now on the parent can reap it. Does nothing after deliver().
  void release() {
    std::lock_guard lock(mutex_);
    taken_ = false;
    changed_.notify_all();
  }
  // Of a child that has ended: waits while a tracer has it. Returns the status, or nullopt when the caller is to reap.
  std::optional<int> await() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return !taken_; });
    return status_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool taken_ = false;
  std::optional<int> status_;
};

}  // namespace netpoll::probes
