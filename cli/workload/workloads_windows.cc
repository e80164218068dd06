// The workloads on Windows: without what takes a port that several sockets share.
#include <chrono>

#include "cli/workload/load/loads.h"
#include "cli/workload/serve/servers.h"
#include "cli/workload/workload.h"

#include "cli/workload/workload_rows.def"

namespace netpoll::workload {
namespace {

constexpr Workload kWorkloads[] = {kEcho,     kIdle, kFanin, kChurn, kPipeline, kProxy,
                                   kDeadline, kSlow, kPipe,  kUdp,   kCpu};

}  // namespace

std::span<const Workload> workloads() { return kWorkloads; }

std::string_view why_no_workload(std::string_view name) {
  return name == kReuseport.name ? "not on Windows, where one socket has a port: there is no SO_REUSEPORT" : "";
}

}  // namespace netpoll::workload
