// workload.h: what `run` can run: the table of workloads, the options of each, and the plan of one run.
//
// A run has up to three processes:
//   CLI     makes the plan, starts the others, counts the server from outside, prints the result;
//   server  `__serve`: the workload on libruntime (serve/server.h), public API only;
//   load    `__load`: the load generator (load/loads.h), plain non-blocking epoll code without libruntime, so that
//           counts belong to the server alone and the answers are checked by somebody independent.
// They talk in JSON lines over inherited pipes (protocol.h). Self-driven workloads (Driver::kSelf) have no load
// process.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "netpoll/config.h"
#include "netpoll/result.h"

namespace netpoll::workload {

// The largest --size.
inline constexpr std::size_t kMaxMessage = 64 * 1024 * 1024;

// Who causes the operations.
enum class Driver : std::uint8_t {
  kLoad,  // the load generator
  kSelf,  // the server process itself; its result has operations and latency
};

// Options of `run` that not every workload has; bits of Workload::options. --poll-mode, --trigger, --poller, --procs,
// --stack and --server-cpu apply to all.
enum Option : std::uint32_t {
  kOps = 1u << 0,        // --ops N: stop after exactly N operations, all connections together
  kDuration = 1u << 1,   // --duration D: stop after D (with --ops: whichever comes first)
  kConns = 1u << 2,      // --conns N: connections, or pairs of goroutines in self-driven workloads
  kSize = 1u << 3,       // --size BYTES: of one message
  kListen = 1u << 4,     // --listen ADDR and --serve ADDR: where the server listens
  kDepth = 1u << 5,      // --depth N: requests in flight per connection
  kListeners = 1u << 6,  // --listeners N: sockets that share the port
  kBusy = 1u << 7,       // --busy N: goroutines that only compute and yield
  kBuffer = 1u << 8,     // --buffer BYTES: the buffer a connection's goroutine reads into
  kHold = 1u << 9,       // --hold: keep the buffer while waiting instead of taking it when readable
  kRest = 1u << 10,      // --rest: keep no stack either between two requests (go_when_readable)
  kTimeout = 1u << 11,   // --timeout D: the read deadline that is left to pass
  kPause = 1u << 12,     // --pause D: between two reads of a slow reader
  kWarmup = 1u << 13,    // --warmup N: operations before the counted ones, left out of latency and operations
  kLoadCpu = 1u << 14,   // --load-cpu N: pin the load generator
};

class Server;       // serve/server.h
class Session;      // load/session.h, load/goroutine_session.h
struct LoadResult;  // protocol.h

// One row of the table: all that is decided by which workload it is. Defaults of 0 for ops and duration: no bound.
struct Workload {
  std::string_view name;
  std::string_view summary;                      // one line, for help
  std::string_view operation;                    // what one operation is: "a message sent and its echo read"
  void (*serve)(Server& server);                 // serve/servers.h
  Result<LoadResult> (*load)(Session& session);  // load/loads.h; null: the server drives itself
  std::uint32_t options;                         // Option bits
  std::uint64_t conns;                           // and the other defaults
  std::uint64_t ops = 0;
  std::chrono::nanoseconds duration{0};
  std::size_t size = 64;
  std::size_t min_size = 1;  // smallest message whose bytes the receiver can verify
  std::size_t max_size = kMaxMessage;
  std::uint64_t depth = 1;
  std::uint64_t listeners = 1;
  std::uint64_t busy = 0;
  std::size_t buffer = 4096;
  std::chrono::nanoseconds timeout{0};
  std::chrono::nanoseconds pause{0};
  unsigned descriptors = 1;     // that the server holds for one connection
  bool needs_port = false;      // cannot listen at a Unix socket's path
  bool whole_messages = false;  // keeps a whole message of each connection in memory
  bool stays_silent = false;    // the load asks each connection once, at the end

  Driver driver() const { return load != nullptr ? Driver::kLoad : Driver::kSelf; }
};

std::span<const Workload> workloads();
// Why this system lacks a workload of that name that others have; empty for all other names.
std::string_view why_no_workload(std::string_view name);
// nullptr when there is none of that name.
const Workload* find_workload(std::string_view name);

// Flag of an Option bit ("--ops").
std::string_view option_flag(Option option);

// Request: what the user asked for; absent means default.
struct Request {
  std::string workload;
  std::optional<std::uint64_t> conns;
  std::optional<std::uint64_t> ops;
  std::optional<std::chrono::nanoseconds> duration;
  std::optional<std::size_t> size;
  std::optional<std::string> listen;  // "127.0.0.1:0", "[::1]:8080", "unix:/path", "unix:@name"
  bool serve_only = false;            // --serve: no load generator; another client is expected at `listen`
  std::optional<std::uint64_t> depth;
  std::optional<std::uint64_t> listeners;
  std::optional<std::uint64_t> busy;
  std::optional<std::size_t> buffer;
  std::optional<bool> hold;
  std::optional<bool> rest;
  std::optional<std::chrono::nanoseconds> timeout;
  std::optional<std::chrono::nanoseconds> pause;
  std::optional<std::uint64_t> warmup;
  std::optional<std::string> poll_mode;
  std::optional<std::string> trigger;
  std::optional<std::string> poller;
  std::optional<int> procs;
  std::optional<std::size_t> stack_size;
  std::optional<int> server_cpu;
  std::optional<int> load_cpu;
};

// Plan: a checked request with every default filled in. ops and duration are 0 when they do not bound the run.
struct Plan {
  const Workload* workload = nullptr;
  std::uint64_t conns = 0;
  std::uint64_t ops = 0;
  std::chrono::nanoseconds duration{0};
  std::size_t size = 0;
  std::string listen = "127.0.0.1:0";
  bool serve_only = false;
  std::uint64_t depth = 1;
  std::uint64_t listeners = 1;
  std::uint64_t busy = 0;
  std::size_t buffer = 4096;
  bool hold = false;
  bool rest = false;
  std::chrono::nanoseconds timeout{0};
  std::chrono::nanoseconds pause{0};
  std::uint64_t warmup = 0;
  Config runtime;
  std::optional<int> server_cpu;
  std::optional<int> load_cpu;

  bool has_load() const { return workload->driver() == Driver::kLoad && !serve_only; }
};

// Checks a request. Every Error is kInvalid, names flag and value, and has a hint (the range, or the workloads to which
// the flag applies). An unknown workload is such an Error too; the CLI adds its "did you mean".
Result<Plan> make_plan(const Request& request);

// Descriptors the server and the load generator of a plan hold at once, the larger of the two, with some to spare.
std::uint64_t descriptors_needed(const Plan& plan);

// Raises the soft limit of open files of this process (inherited by children) to at least `needed`; the hard limit too
// where allowed. Else kPermission (EMFILE), with the number needed and how to get it as the hint.
Result<void> raise_descriptor_limit(std::uint64_t needed);

// Command lines of the two processes, without the program itself: {"__serve", "--workload=echo", ...}. The descriptors
// are those of Link::child_* (protocol.h). server_pid lets the load generator report the CPU time of the server within
// the measured window; 0 when unknown.
std::vector<std::string> serve_args(const Plan& plan, int control_fd, int report_fd);
std::vector<std::string> load_args(const Plan& plan, const std::vector<std::string>& addresses, int server_pid,
                                   int control_fd, int report_fd);

// The hidden subcommands; args are those above without the subcommand's name. Return the exit status of the process:
// 0, or 2 (arguments) and 3 (cannot) after a Failure line. Both ignore SIGINT and SIGTERM: they stop when the control
// pipe says so, that is also when the CLI dies.
int serve_main(std::span<char*> args);
int load_main(std::span<char*> args);

}  // namespace netpoll::workload
