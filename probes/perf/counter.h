// PerfCounter: how often one tracepoint was passed, counted by the kernel for perf_event_open(2).
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "netpoll/fd.h"
#include "netpoll/result.h"

namespace netpoll::probes {

// Whose passages are counted.
enum class PerfScope : std::uint8_t {
  kThread,          // of the calling thread, while enabled
  kProcessAtExec,   // of a process from its next exec on, with the threads that it starts
  kChildrenAtExec,  // and with the processes
};

// Owns the descriptor. Movable, not thread-safe.
class PerfCounter {
 public:
  // `filter` is an expression of the kernel's over the fields of the tracepoint ("ret == -11"), empty: all. `pid` is
  // ignored for kThread. Needs no privilege while kernel.perf_event_paranoid is 2 or less: what the kernel itself does
  // is left out (exclude_kernel), and the tracepoints of system calls count as the caller's. Fails with kPermission
  // where it is more, or a container's filter refuses; with kNotFound for an id that names no tracepoint.
  static Result<PerfCounter> open(std::uint64_t id, const std::string& filter, PerfScope scope, pid_t pid);

  // The number so far, of all threads and processes that the scope covers, those that have ended included.
  Result<std::uint64_t> read() const;
  void enable() const;
  // With all that inherited it; what was counted stays.
  void disable() const;

  Fd take() && { return std::move(fd_); }

 private:
  explicit PerfCounter(Fd fd) : fd_(std::move(fd)) {}

  Fd fd_;
};

// Disables and closes them. The last close of a tracepoint waits for all CPUs to leave it (20 to 30 ms each, one after
// the other), so a process of its own, which is nobody's child and holds nothing else, does it a second later while the
// caller goes on; nothing is counted meanwhile. Closes them itself where it cannot fork.
void close_in_background(std::vector<PerfCounter> counters);

}  // namespace netpoll::probes
