// counters.h: the runtime's own counters of the tracepoints.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "netpoll/runtime.h"

namespace netpoll::workload {

// Events since the start of runtime, by tracepoint name. Exact once its goroutines have ended.
std::map<std::string, std::uint64_t> tracepoint_counts(const Runtime& runtime);

}  // namespace netpoll::workload
