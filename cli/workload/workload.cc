#include "cli/workload/workload.h"

#include <array>

namespace netpoll::workload {
namespace {

using std::chrono::seconds;

constexpr std::uint32_t kRun = kOps | kDuration | kConns;
constexpr std::uint32_t kNet = kRun | kListen | kWarmup | kLoadCpu;

constexpr Workload kWorkloads[] = {
    {"echo", "messages answered by the plainest loop: read into a buffer, write it back",
     "a message sent and its echo read", Driver::kLoad, kNet | kSize | kBuffer, 64, 100'000, seconds(0), 64, 1},
    {"idle", "silent connections; at the end each one is asked once whether it still answers",
     "a connection that was silent for the duration and then answered", Driver::kLoad,
     kDuration | kConns | kListen | kLoadCpu | kSize | kBuffer | kHold | kWarmup, 1000, 0, seconds(10), 16, 1},
    {"fanin",
     "the messages of all connections go through one channel to one goroutine, which verifies and acknowledges",
     "a message sent and its acknowledgement read", Driver::kLoad, kNet | kSize, 64, 100'000, seconds(0), 64, 16},
    {"churn", "connect, one request, its answer, close", "a connection made, used once and closed", Driver::kLoad,
     kNet | kSize | kBuffer, 8, 10'000, seconds(0), 64, 1},
    {"pipeline", "several requests in flight on each connection", "a message sent and its echo read", Driver::kLoad,
     kNet | kSize | kDepth | kBuffer, 16, 100'000, seconds(0), 64, 1},
    {"proxy", "each connection is relayed to a second server in the same process by two goroutines",
     "a message sent through the proxy and its echo read", Driver::kLoad, kNet | kSize | kBuffer, 16, 50'000,
     seconds(0), 1024, 1},
    {"deadline", "reads whose deadline passes, then one that gets its bytes in time",
     "a read that timed out and a read that did not", Driver::kSelf, kRun | kSize | kTimeout, 64, 10'000, seconds(0),
     16, 1},
    {"slow", "large answers to clients that read slowly: writes meet back pressure",
     "a request and its large answer read to the end", Driver::kLoad, kNet | kSize | kPause, 16, 256, seconds(0),
     256 * 1024, 1},
    {"reuseport", "echo behind several SO_REUSEPORT listeners on one port", "a message sent and its echo read",
     Driver::kLoad, kNet | kSize | kListeners | kBuffer, 64, 100'000, seconds(0), 64, 1},
    {"pipe", "pairs of goroutines that play ping-pong over two pipes", "a message there and back", Driver::kSelf,
     kRun | kSize, 8, 100'000, seconds(0), 64, 1},
    {"udp", "datagrams answered from one socket", "a datagram sent and its echo read", Driver::kLoad, kNet | kSize, 16,
     50'000, seconds(0), 64, 8},
    {"cpu", "echo beside goroutines that compute and yield", "a message sent and its echo read", Driver::kLoad,
     kNet | kSize | kBusy | kBuffer, 4, 10'000, seconds(0), 64, 1},
};

constexpr std::array<std::pair<Option, std::string_view>, 14> kFlags = {{
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
    {kTimeout, "--timeout"},
    {kPause, "--pause"},
    {kWarmup, "--warmup"},
    {kLoadCpu, "--load-cpu"},
}};

}  // namespace

std::span<const Workload> workloads() { return kWorkloads; }

const Workload* find_workload(std::string_view name) {
  for (const Workload& workload : kWorkloads) {
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
