// The threads of a process and what each is doing, from /proc/PID/task.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "probes/process/subject.h"

namespace netpoll::probes {

// Unknown is nullopt; call is also nullopt for a thread that runs, and where we may not ask (ptrace(2), "access mode").
struct ThreadStatus {
  pid_t tid = -1;
  std::string comm;                          // as the thread called itself
  char state = '?';                          // as in /proc/PID/stat: R runs or could, S sleeps, D cannot be interrupted
  std::optional<ThreadCall> call;            // that it is in
  std::optional<std::int64_t> cpu_ns;        // that it has run, since it began
  std::optional<std::int64_t> cpu_delay_ns;  // that it waited for a CPU although it could run, since it began
};

// Ascending; empty when the process is gone. Times are missing where the kernel keeps none (CONFIG_SCHED_INFO).
std::vector<ThreadStatus> read_threads(pid_t pid);

}  // namespace netpoll::probes
