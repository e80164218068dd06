// ThreadStop: stops all threads of a process for a short time, without a signal that the process or its parent would
// see (ptrace(2), PTRACE_SEIZE and PTRACE_INTERRUPT).
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <vector>

#include "netpoll/result.h"

namespace netpoll::probes {

// The process runs on when this is destroyed, or when our process ends in whatever way. Used by the thread that made
// it alone. A system call that was interrupted may fail with EINTR in the target (epoll_wait(2) and a few others;
// signal(7)), which a Go program expects at any time.
class ThreadStop {
 public:
  // Errors: kNotFound; kPermission, also when somebody else traces the process; kTimeout when a thread does not stop,
  // because it waits for a device.
  static Result<ThreadStop> stop(pid_t pid);
  ThreadStop(ThreadStop&& other) noexcept;
  ThreadStop& operator=(ThreadStop&&) = delete;
  ~ThreadStop() { release(); }

  // Lets it run on; returns for how long the first of its threads was stopped.
  std::int64_t release();

 private:
  explicit ThreadStop(pid_t pid) : pid_(pid) {}
  Result<bool> stop_new_threads();

  struct Thread {
    pid_t tid = -1;
    int signal = 0;  // that it had just received, and gets when it runs on
    bool stopped = false;
  };
  bool wait_for(Thread& thread) const;

  pid_t pid_;
  std::int64_t since_ns_ = 0;
  std::vector<Thread> threads_;
};

}  // namespace netpoll::probes
