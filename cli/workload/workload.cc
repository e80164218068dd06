// The table of workloads, and of the flags that not every one of them has.
#include "cli/workload/workload.h"

#include <array>

#include "cli/workload/load/loads.h"
#include "cli/workload/serve/servers.h"

namespace netpoll::workload {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::size_t kMaxDatagram = 65'507;  // UDP over IPv4: 65535 - 8 - 20
constexpr std::uint32_t kRun = kOps | kDuration | kConns;
constexpr std::uint32_t kNet = kRun | kListen | kWarmup | kLoadCpu;

constexpr Workload kWorkloads[] = {
    {.name = "echo",
     .summary = "messages answered by the plainest loop: read into a buffer, write it back",
     .operation = "a message sent and its echo read",
     .serve = serve_echo,
     .load = run_stream_load,
     .options = kNet | kSize | kBuffer,
     .conns = 64,
     .ops = 100'000},
    {.name = "idle",
     .summary = "silent connections; at the end each one is asked once whether it still answers",
     .operation = "a connection that was silent for the duration and then answered",
     .serve = serve_idle,
     .load = run_stream_load,
     .options = kDuration | kConns | kListen | kLoadCpu | kSize | kBuffer | kHold | kWarmup,
     .conns = 1000,
     .duration = seconds(10),
     .size = 16,
     .stays_silent = true},
    {.name = "fanin",
     .summary =
         "the messages of all connections go through one channel to one goroutine, which verifies and acknowledges",
     .operation = "a message sent and its acknowledgement read",
     .serve = serve_fanin,
     .load = run_stream_load,
     .options = kNet | kSize,
     .conns = 64,
     .ops = 100'000,
     .min_size = 16,
     .whole_messages = true},
    {.name = "churn",
     .summary = "connect, one request, its answer, close",
     .operation = "a connection made, used once and closed",
     .serve = serve_echo,
     .load = run_churn_load,
     .options = kNet | kSize | kBuffer,
     .conns = 8,
     .ops = 10'000},
    {.name = "pipeline",
     .summary = "several requests in flight on each connection",
     .operation = "a message sent and its echo read",
     .serve = serve_echo,
     .load = run_stream_load,
     .options = kNet | kSize | kDepth | kBuffer,
     .conns = 16,
     .ops = 100'000,
     .depth = 16,
     .buffer = 16 * 1024},
    {.name = "proxy",
     .summary = "each connection is relayed to a second server in the same process by two goroutines",
     .operation = "a message sent through the proxy and its echo read",
     .serve = serve_proxy,
     .load = run_stream_load,
     .options = kNet | kSize | kBuffer,
     .conns = 16,
     .ops = 50'000,
     .size = 1024,
     .descriptors = 3},  // accepted, dialed, and accepted by the second server
    {.name = "deadline",
     .summary = "reads whose deadline passes, then one that gets its bytes in time",
     .operation = "a read that timed out and a read that did not",
     .serve = serve_deadline,
     .load = nullptr,
     .options = kRun | kSize | kTimeout,
     .conns = 64,
     .ops = 10'000,
     .size = 16,
     .timeout = milliseconds(1),
     .descriptors = 2},  // a socket pair
    {.name = "slow",
     .summary = "large answers to clients that read slowly: writes meet back pressure",
     .operation = "a request and its large answer read to the end",
     .serve = serve_slow,
     .load = run_slow_load,
     .options = kNet | kSize | kPause,
     .conns = 16,
     .ops = 256,
     .size = 256 * 1024,
     .pause = milliseconds(1),
     .whole_messages = true},
    {.name = "reuseport",
     .summary = "echo behind several SO_REUSEPORT listeners on one port",
     .operation = "a message sent and its echo read",
     .serve = serve_reuseport,
     .load = run_stream_load,
     .options = kNet | kSize | kListeners | kBuffer,
     .conns = 64,
     .ops = 100'000,
     .listeners = 4,
     .needs_port = true},
    {.name = "pipe",
     .summary = "pairs of goroutines that play ping-pong over two pipes",
     .operation = "a message there and back",
     .serve = serve_pipe,
     .load = nullptr,
     .options = kRun | kSize,
     .conns = 8,
     .ops = 100'000,
     .descriptors = 4},  // two pipes
    {.name = "udp",
     .summary = "datagrams answered from one socket",
     .operation = "a datagram sent and its echo read",
     .serve = serve_udp,
     .load = run_udp_load,
     .options = kNet | kSize,
     .conns = 16,
     .ops = 50'000,
     .min_size = 8,
     .max_size = kMaxDatagram,
     .needs_port = true},
    {.name = "cpu",
     .summary = "echo beside goroutines that compute and yield",
     .operation = "a message sent and its echo read",
     .serve = serve_cpu,
     .load = run_stream_load,
     .options = kNet | kSize | kBusy | kBuffer,
     .conns = 4,
     .ops = 10'000,
     .busy = 8},
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
