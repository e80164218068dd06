// Looks workloads up, and the flags that not every one of them has.
#include "cli/workload/workload.h"

#include <array>

namespace netpoll::workload {
namespace {

constexpr std::array<std::pair<Option, std::string_view>, 15> kFlags = {{
    {kOps, "--ops"},
    {kDuration, "--duration"},
    {kConns, "--conns"},
    {kSize, "--size"},
    {kListen, "--listen"},
    {kDepth, "--depth"},
    {kListeners, "--listeners"},
    {kBusy, "--busy"},
    {kBuffer, "--buffer"},
    {kHold, "--hold"},
    {kRest, "--rest"},
    {kTimeout, "--timeout"},
    {kPause, "--pause"},
    {kWarmup, "--warmup"},
    {kLoadCpu, "--load-cpu"},
}};

}  // namespace

const Workload* find_workload(std::string_view name) {
  for (const Workload& workload : workloads()) {
    if (workload.name == name) return &workload;
  }
  return nullptr;
}

std::string_view option_flag(Option option) {
  for (const auto& [bit, flag] : kFlags) {
    if (bit == option) return flag;
  }
  return "";
}

}  // namespace netpoll::workload
