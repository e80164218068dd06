// ThreadStop: stops all threads of a process for a short time. One file a system: thread_stop_linux.cc,
// thread_stop_freebsd.cc, thread_stop_absent.cc.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>

#include "netpoll/result.h"

namespace netpoll::probes {

// The process runs on when this is destroyed, and on Linux when our process ends in whatever way. Used by the thread
// that made it alone. Neither the process nor its parent sees a signal. A system call that was interrupted may fail
// with EINTR in the target (epoll_wait(2) and a few others; signal(7)), which a Go program expects at any time.
class ThreadStop {
 public:
  // Errors: kNotFound; kPermission, also when somebody else traces the process; kTimeout when a thread does not stop,
  // because it waits for a device; kNotSupported.
  static Result<ThreadStop> stop(pid_t pid);
  ThreadStop(ThreadStop&&) noexcept;
  ThreadStop& operator=(ThreadStop&&) = delete;
  ~ThreadStop();

  // Lets it run on; returns for how long the first of its threads was stopped.
  std::int64_t release();

 private:
  struct Held;  // what is stopped, and how it is let go
  explicit ThreadStop(std::unique_ptr<Held> held);

  std::unique_ptr<Held> held_;
};

}  // namespace netpoll::probes
