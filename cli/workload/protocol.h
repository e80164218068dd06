// protocol.h: the lines by which server and load generator report to the CLI.
//
// Each child inherits the read end of a control pipe and the write end of a report pipe. Nothing is ever written to the
// control pipe: its end of file means "stop now, report what you have, exit". On the report pipe the child writes JSON
// objects, one a line, told apart by "type":
//
//   server  {"type":"listening","pid":41,"addresses":["127.0.0.1:40123"]}      once; the load may start. Self-driven
//                                                                              workloads say it with no addresses.
//           {"type":"result", ...}                                             once, the last line
//   load    {"type":"connected","connections":64}                              once; the measured window opens
//           {"type":"progress","operations":12345,"elapsed_ns":...}            every 200 ms
//           {"type":"result", ...}                                             once, the last line
//   either  {"type":"failure","message":"...","hint":"...","exit_status":3}    instead of the result; then it exits
//
// A report pipe that ends without result or failure means that the child died; its wait status says how.
//
// Order of a run: start server; its `listening`; start load; its `result` or `failure`; close the server's control
// pipe; the server's `result`. A self-driven server sends its `result` by itself when its operations are done. A server
// whose load is over has seen the end of every connection and so has closed all of them when its control pipe ends.
//
// Unknown members and unknown types are to be ignored, unknown values are null.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "netpoll/fd.h"
#include "netpoll/result.h"

namespace netpoll::workload {

// Latency of operations in ns. Quantiles are upper bounds of histogram buckets (histogram.h), at most 1 % above the
// exact value; min, max and mean are exact.
struct Latency {
  std::uint64_t count = 0;
  std::int64_t min = 0;
  std::int64_t p50 = 0;
  std::int64_t p90 = 0;
  std::int64_t p99 = 0;
  std::int64_t p999 = 0;
  std::int64_t max = 0;
  std::int64_t mean = 0;
  // Non-empty buckets: {upper bound in ns, values}, ascending.
  std::vector<std::pair<std::int64_t, std::uint64_t>> buckets;
};

struct Listening {
  int pid = 0;
  std::vector<std::string> addresses;  // several for reuseport (the same one repeated is listed once)
};

// What a server has to say at its end.
struct ServerResult {
  std::uint64_t operations = 0;   // as the server counts them; equals the load's, plus warm-up, when all went well
  std::uint64_t connections = 0;  // accepted, or pairs made
  std::uint64_t bytes_read = 0;
  std::uint64_t bytes_written = 0;
  std::uint64_t errors = 0;        // I/O errors of connections other than their orderly end
  std::uint64_t mismatches = 0;    // messages whose bytes were wrong
  std::int64_t duration_ns = 0;    // self-driven: of the operations; else from listening to stop
  std::int64_t cpu_ns = 0;         // of the process, from its start
  std::optional<Latency> latency;  // self-driven only
  // The runtime's own counters by tracepoint name, read after the last goroutine ended; what --backend self reports.
  std::map<std::string, std::uint64_t> tracepoints;
  std::vector<std::uint64_t> accepted;  // per listener (reuseport)
  std::uint64_t busy_rounds = 0;        // cpu: rounds of the busy goroutines
  std::string first_error;              // of errors and mismatches; empty when none
};

struct Connected {
  std::uint64_t connections = 0;
};

struct Progress {
  std::uint64_t operations = 0;
  std::int64_t elapsed_ns = 0;
};

struct LoadResult {
  std::uint64_t operations = 0;  // verified ones, warm-up not included
  std::uint64_t warmup_operations = 0;
  std::uint64_t connections = 0;  // made in all
  std::uint64_t bytes_sent = 0;   // in the measured window
  std::uint64_t bytes_received = 0;
  std::uint64_t retransmits = 0;  // udp
  std::int64_t duration_ns = 0;   // of the measured window
  double requests_per_s = 0;
  std::optional<std::int64_t> server_cpu_ns;  // CPU time of the server's process within the window
  Latency latency;
};

struct Failure {
  std::string message;
  std::string hint;
  int exit_status = 3;
};

// What report_failure() (child.h) made of an Error, as an Error again: kInvalid or kSystem.
Error error_of(const Failure& failure);

using ServerMessage = std::variant<Listening, ServerResult, Failure>;
using LoadMessage = std::variant<Connected, Progress, LoadResult, Failure>;

// Nothing for a line of an unknown type; kProtocol for one that is not such a JSON object.
Result<std::optional<ServerMessage>> parse_server_line(std::string_view line);
Result<std::optional<LoadMessage>> parse_load_line(std::string_view line);
// One line without the newline.
std::string to_line(const ServerMessage& message);
std::string to_line(const LoadMessage& message);

// The four ends of a child's two pipes. The parent's ends are close-on-exec, the child's are inherited; the parent
// resets child_control and child_report as soon as the child has been forked, else it never sees the report's end.
struct Link {
  Fd control;        // write end: reset() it to stop the child
  Fd report;         // read end, non-blocking
  Fd child_control;  // read end
  Fd child_report;   // write end
};
Result<Link> make_link();

// LineReader takes lines from a non-blocking descriptor it does not own. Not thread-safe.
class LineReader {
 public:
  explicit LineReader(int fd) : fd_(fd) {}
  // Reads what is there without waiting; returns the complete lines. A last line without newline (a child that died
  // while writing) is dropped. Wait for readability of the descriptor with poll(2) before.
  Result<std::vector<std::string>> read();
  // Whether the other end is closed and everything was read.
  bool at_end() const { return at_end_; }

 private:
  int fd_;
  bool at_end_ = false;
  std::string partial_;
};

}  // namespace netpoll::workload
