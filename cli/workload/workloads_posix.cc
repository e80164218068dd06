// The workloads on Linux, macOS and FreeBSD: all of them.
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

std::string_view why_no_workload(std::string_view) { return {}; }

}  // namespace netpoll::workload
