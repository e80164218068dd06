// ProcessWatch waits for the end of a process that need not be a child, without tracing or reaping it.
#pragma once

#include <sys/types.h>

#include <map>
#include <span>

#include "netpoll/fd.h"
#include "netpoll/result.h"

namespace netpoll::probes {

// Whether fd became readable before timeout_ms passed (-1: no limit) or stop_fd (-1: none) became so; nothing else ends
// this wait, signal handlers included.
Result<bool> wait_readable(int fd, int timeout_ms, int stop_fd);

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
  int fd() const { return pidfd_.get(); }  // readable (poll) once the process has ended

 private:
  Fd pidfd_;
};

// The same for several: waits until all of them have ended. Movable. One thread at a time.
class ProcessWatches {
 public:
  ProcessWatches() = default;
  // Fails as ProcessWatch::open, for the first that cannot be watched.
  static Result<ProcessWatches> open(std::span<const pid_t> pids);

  // As ProcessWatch::wait; false once every process has ended.
  Result<bool> wait(int timeout_ms, int stop_fd);

 private:
  Result<void> drop_ended();

  Fd ended_;                            // an epoll, readable when one of them has ended
  std::map<pid_t, ProcessWatch> live_;  // that are not known to have ended
};

}  // namespace netpoll::probes
