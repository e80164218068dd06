// Signals and CPU of a worker process.
#include "cli/workload/child.h"

#include <sched.h>

#include <cerrno>
#include <csignal>
#include <string>

namespace netpoll::workload {

void ignore_signals() {
  for (const int signal : {SIGINT, SIGTERM, SIGPIPE}) std::signal(signal, SIG_IGN);
}

Result<void> pin_to_cpu(const std::optional<int>& cpu) {
  if (!cpu) return {};
  cpu_set_t set;
  CPU_ZERO(&set);
  if (*cpu >= 0 && *cpu < CPU_SETSIZE) CPU_SET(static_cast<unsigned>(*cpu), &set);
  if (sched_setaffinity(0, sizeof(set), &set) != 0) {
    return posix_error("pin to CPU " + std::to_string(*cpu), errno)
        .with_hint("this process may use the CPUs that taskset -p $$ shows");
  }
  return {};
}

}  // namespace netpoll::workload
