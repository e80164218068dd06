// The processor time of another process.
#pragma once

#include <cstdint>
#include <optional>

namespace netpoll::workload {

// In ns, of all threads of process pid, also those that ended. Nothing where there is none, or it may not be asked.
std::optional<std::int64_t> process_cpu_ns(int pid);

}  // namespace netpoll::workload
