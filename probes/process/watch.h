// ProcessWatch waits for the end of a process that need not be a child, without tracing or reaping it.
#pragma once

#include <sys/types.h>

#include "netpoll/fd.h"
#include "netpoll/result.h"

namespace netpoll::probes {

// Holds a pidfd: the number of a process that ended and was recycled is never taken for the one that was opened.
// Movable. One thread at a time.
class ProcessWatch {
 public:
  ProcessWatch() = default;
  // Fails with kNotFound when no such process exists (a thread id that is not a process id counts as none).
  static Result<ProcessWatch> open(pid_t pid);

  // Waits until timeout_ms passed (-1: no limit), the process ended, or stop_fd (-1: none) became readable. Returns
  // false once the process has ended, whether or not it has been reaped. A signal handler that runs does not end the
  // wait: a caller that wants to be stopped by signals makes them readable on stop_fd.
  Result<bool> wait(int timeout_ms, int stop_fd) const;

  bool alive() const;

 private:
  Fd pidfd_;
};

}  // namespace netpoll::probes
