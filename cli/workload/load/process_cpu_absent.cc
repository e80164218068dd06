// The processor time of another process: macOS and FreeBSD tell it in ways of their own, and the server says its own at
// its end.
#include "cli/workload/load/process_cpu.h"

namespace netpoll::workload {

std::optional<std::int64_t> process_cpu_ns(int /*pid*/) { return std::nullopt; }

}  // namespace netpoll::workload
