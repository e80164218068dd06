// Signals and CPU of a worker process.
#include "cli/workload/child.h"

#include <csignal>
#include <string>

#include "libruntime/base/posix.h"

namespace netpoll::workload {

void ignore_signals() {
  for (const int signal : {SIGINT, SIGTERM, SIGPIPE}) std::signal(signal, SIG_IGN);
}

Result<void> pin_to_cpu(const std::optional<int>& cpu) {
  if (!cpu) return {};
  const int error = base::bind_to_cpu(*cpu);
  if (error == 0) return {};
  Error failure = posix_error("pin to CPU " + std::to_string(*cpu), error);
  if (error == ENOTSUP) return std::move(failure).with_hint("leave --pin out: this system binds no process to a CPU");
  return std::move(failure).with_hint("this process may use the CPUs that taskset -p $$ shows");
}

}  // namespace netpoll::workload
