// The workloads on Linux: all of them.
#include <chrono>

#include "cli/workload/load/loads.h"
#include "cli/workload/serve/servers.h"
#include "cli/workload/workload.h"

#include "cli/workload/workload_rows.def"

namespace netpoll::workload {
namespace {

constexpr Workload kWorkloads[] = {kEcho,     kIdle, kFanin,     kChurn, kPipeline, kProxy,
                                   kDeadline, kSlow, kReuseport, kPipe,  kUdp,      kCpu};

}  // namespace

std::span<const Workload> workloads() { return kWorkloads; }

}  // namespace netpoll::workload
