// Counts: what a Source measured of one target between start and stop. Plain data; unknown is nullopt and never 0.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "netpoll/trace/event.h"

namespace netpoll::probes {

// One value per row of syscalls.def.
enum class Syscall : std::uint8_t {
#define NETPOLL_SYSCALL(name, class_) name,
#include "probes/syscalls.def"
#undef NETPOLL_SYSCALL
};
inline constexpr std::size_t kSyscallCount = 0
#define NETPOLL_SYSCALL(name, class_) +1
#include "probes/syscalls.def"
#undef NETPOLL_SYSCALL
    ;
// The first rows: calls that wait for events on descriptors.
inline constexpr std::size_t kWaitCount = static_cast<std::size_t>(Syscall::pselect6) + 1;

// One value per row of socket_calls.def.
enum class SocketCall : std::uint8_t {
#define NETPOLL_SOCKET_CALL(name, kind) name,
#include "probes/socket_calls.def"
#undef NETPOLL_SOCKET_CALL
};
inline constexpr std::size_t kSocketCallCount = 0
#define NETPOLL_SOCKET_CALL(name, kind) +1
#include "probes/socket_calls.def"
#undef NETPOLL_SOCKET_CALL
    ;
inline constexpr int kOtherErrors = 0;  // no errno

// Numbers of operations of io_uring that are told apart; the last counts what is beyond.
inline constexpr std::size_t kUringOps = 80;
// Of them, those that uring_ops.def knows.
inline constexpr std::size_t kNamedUringOps = 0
#define NETPOLL_URING_OP(name, about_fd) +1
#include "probes/uring_ops.def"
#undef NETPOLL_URING_OP
    ;
static_assert(kNamedUringOps < kUringOps);
// "poll_add"; "op77" of one that uring_ops.def does not know.
std::string uring_op_name(std::size_t number);
// "uring_poll_add": among events of other kinds. Static storage.
std::string_view uring_event_name(std::size_t number);

std::string_view syscall_name(Syscall syscall);
std::string_view syscall_name(SocketCall call);
// "wait", "fdset", "ctl", "create", "io", "thread": see syscalls.def.
std::string_view syscall_class(Syscall syscall);
std::optional<Syscall> parse_syscall(std::string_view name);
bool is_epoll_wait(Syscall syscall);     // epoll_wait, epoll_pwait, epoll_pwait2
bool waits_for_events(Syscall syscall);  // these, and poll, ppoll, select, pselect6
bool moves_bytes(Syscall syscall);       // its result, where it does not fail, is a number of bytes
// Made for sockets; else the call is counted where its first argument is one.
bool is_for_sockets(SocketCall call);

// Log-linear: an octave of time is four buckets. The last, from 5.7 days on, is open.
inline constexpr std::size_t kHistogramBuckets = 192;
std::size_t latency_bucket(std::uint64_t ns);
std::uint64_t bucket_floor_ns(std::size_t bucket);  // the least time in it
using LatencyHistogram = std::array<std::uint64_t, kHistogramBuckets>;
// The q-quantile (0 < q <= 1) of the times in histogram, at most an eighth off; nullopt where there are none.
std::optional<std::uint64_t> quantile_ns(const LatencyHistogram& histogram, double q);

// By events returned: 0, 1, 2..3, 4..7, ...; the last is open.
inline constexpr std::size_t kEventBuckets = 16;
std::size_t event_bucket(std::uint64_t events);

// Calls that had not returned when the counts were read.
struct InFlight {
  std::uint64_t count = 0;
  std::uint64_t before = 0;  // of them, those that had begun before counting did, and so are not in `count` of the call
  std::uint64_t longest_ns = 0;  // since the call, or counting, began
};

// Calls in which the thread slept, and their time. What a back end cannot tell is nullopt where this is optional.
struct Blocked {
  std::uint64_t count = 0;
  std::uint64_t ns = 0;
};

// Of one system call. `count` counts calls that were entered; errors, times and buckets come from those that returned.
// A call that restart_syscall goes on with (a sleep after SIGSTOP and SIGCONT) is one call with the whole time.
struct SyscallCounts {
  bool counted = true;  // false: nothing is known of these calls (SourceOptions::best_effort)
  std::uint64_t count = 0;
  std::uint64_t returned = 0;
  std::map<int, std::uint64_t> errors;  // positive errno -> calls; kOtherErrors: those not told apart
  bool errors_known = true;
  std::optional<std::uint64_t> total_ns;
  // All time that threads spent in this call while it was counted: total_ns, that of the calls in flight, and that of
  // calls which had begun before. What of these a back end cannot see is missing.
  std::optional<std::uint64_t> window_ns;
  InFlight in_flight;
  std::optional<LatencyHistogram> latency;  // of the calls that returned
  std::optional<Blocked> blocked;           // of the calls that returned; the others did so at once
  std::uint64_t bytes = 0;                  // where moves_bytes()
};

struct Counts {
  std::array<SyscallCounts, kSyscallCount> syscalls{};
  // epoll_ctl by operation.
  std::uint64_t ctl_add = 0, ctl_mod = 0, ctl_del = 0;
  // Of the calls that wait, indexed by Syscall: events returned, calls that returned 0, and the calls among those
  // that were asked to wait (timeout > 0), which is a timeout rather than an empty look.
  struct Wait {
    std::uint64_t events = 0, empty = 0, timeouts = 0;
    // What the calls that returned had been asked for: to look without waiting, to wait for some time, or for ever. The
    // rest could not be seen.
    std::uint64_t asked_zero = 0, asked_timed = 0, asked_forever = 0;
    std::array<std::uint64_t, kEventBuckets> per_return{};  // calls by event_bucket()
  };
  std::array<Wait, kWaitCount> waits{};
  // Calls beside the table that touched a socket; nullopt where nobody looked.
  std::optional<std::array<std::uint64_t, kSocketCallCount>> socket_calls;
  // Per tracepoint of libruntime; nullopt when the target has none or the back end cannot see them.
  std::array<std::optional<std::uint64_t>, trace::kTpCount> tracepoints{};
  // Waits of epoll that brought events, after which the first call for data of the thread found none (EAGAIN); nullopt
  // where nobody looked.
  std::optional<std::uint64_t> spurious_wakeups;
  // Operations that were submitted to io_uring, by number: they are no system calls. nullopt where nobody looked.
  std::optional<std::array<std::uint64_t, kUringOps>> uring_ops;
  // Processes that targets forked and that were not counted; nullopt where nobody looked.
  std::optional<std::uint64_t> forks_left;
  // Processes that were counted and still live; nullopt where nobody looked.
  std::optional<std::uint64_t> processes;
  bool processes_exact = true;  // false: there are some, and how many is unknown
  // Calls or events known to have escaped the counting.
  std::uint64_t lost = 0;
  // Of those, calls of the 32-bit interface (a 32-bit program, int $0x80), whose numbers mean other calls.
  std::uint64_t foreign = 0;
  // Of those, one for each program that was executed and whose calls could not be seen (perf).
  std::uint64_t unseen_programs = 0;
  // False: how calls ended was not seen. Then `returned`, `in_flight` and what a wait call was asked for or returned
  // are unknown, except `empty` and the errors where errors_known says so.
  bool returns_known = true;
};

// The difference of two readings of one source: what happened between them.
Counts counts_between(const Counts& earlier, const Counts& later);

// Adds `more` to `sum`: two processes counted as one target. A tracepoint is known when it is known of one of them.
void add_counts(Counts& sum, const Counts& more);

void add_wait(Counts::Wait& sum, const Counts::Wait& more);

void add_in_flight(InFlight& sum, const InFlight& more);

}  // namespace netpoll::probes
