// The console's Ctrl-C, processors, and descriptors of a worker process.
#include "cli/workload/child.h"

#include <windows.h>

#include <string>

#include "cli/workload/workload.h"
#include "libruntime/base/winsock_error.h"

namespace netpoll::workload {

// A write to a pipe without a reader is an error value there, and nothing else ends a process from outside in order.
void ignore_signals() { SetConsoleCtrlHandler(nullptr, TRUE); }

Result<void> pin_to_cpu(const std::optional<int>& cpu) {
  if (!cpu) return {};
  const DWORD_PTR mask = *cpu >= 0 && *cpu < 64 ? DWORD_PTR{1} << static_cast<unsigned>(*cpu) : 0;
  if (SetProcessAffinityMask(GetCurrentProcess(), mask) == 0) {
    return posix_error("pin to CPU " + std::to_string(*cpu), base::errno_of(GetLastError()))
        .with_hint("processors count from 0");
  }
  return {};
}

// Handles have no limit but memory.
std::uint64_t descriptors_needed(const Plan&) { return 0; }
Result<void> raise_descriptor_limit(std::uint64_t) { return {}; }

}  // namespace netpoll::workload
