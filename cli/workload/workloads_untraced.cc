// The workloads on systems other than Linux: without what only some of those have, which are pipes and ports that
// several share, and without what the load generator there (load/goroutine_load.cc) does not know, datagrams and slow
// readers.
#include <chrono>

#include "cli/workload/load/loads.h"
#include "cli/workload/serve/servers.h"
#include "cli/workload/workload.h"

#include "cli/workload/workload_rows.def"

namespace netpoll::workload {
namespace {

constexpr Workload kWorkloads[] = {kEcho, kIdle, kFanin, kChurn, kPipeline, kProxy, kDeadline, kCpu};

}  // namespace

std::span<const Workload> workloads() { return kWorkloads; }

}  // namespace netpoll::workload
