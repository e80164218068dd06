// Counts: what a Source measured of one target between start and stop. Plain data; unknown is nullopt and never 0.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
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
inline constexpr std::size_t kHistogramBuckets = 64;

std::string_view syscall_name(Syscall syscall);
std::string_view syscall_class(Syscall syscall);  // "wait", "ctl", "create", "io", "thread": see syscalls.def
std::optional<Syscall> parse_syscall(std::string_view name);
bool is_epoll_wait(Syscall syscall);  // epoll_wait, epoll_pwait, epoll_pwait2

// Calls that had not returned when the counts were read.
struct InFlight {
  std::uint64_t count = 0;
  std::uint64_t before = 0;  // of them, those that had begun before counting did, and so are not in `count` of the call
  std::uint64_t longest_ns = 0;  // since the call, or counting, began
};

// Of one system call. `count` counts calls that were entered; errors, times and buckets come from those that returned.
// A call that restart_syscall goes on with (a sleep after SIGSTOP and SIGCONT) is one call with the whole time.
struct SyscallCounts {
  std::uint64_t count = 0;
  std::uint64_t returned = 0;
  std::map<int, std::uint64_t> errors;  // positive errno -> calls
  std::optional<std::uint64_t> total_ns;
  // All time that threads spent in this call while it was counted: total_ns, that of the calls in flight, and that of
  // calls which had begun before. What of these a back end cannot see is missing.
  std::optional<std::uint64_t> window_ns;
  InFlight in_flight;
  // log2 of latency: bucket i holds calls with 2^i <= ns < 2^(i+1), bucket 0 also 0 ns. Absent when not measured.
  std::optional<std::array<std::uint64_t, kHistogramBuckets>> latency;
};

struct Counts {
  std::array<SyscallCounts, kSyscallCount> syscalls{};
  // epoll_ctl by operation.
  std::uint64_t ctl_add = 0, ctl_mod = 0, ctl_del = 0;
  // Of the three wait calls, indexed by Syscall: events returned, calls that returned 0, and the calls among those
  // that were asked to wait (timeout > 0), which is a timeout rather than an empty look.
  struct Wait {
    std::uint64_t events = 0, empty = 0, timeouts = 0;
  };
  std::array<Wait, 3> waits{};
  // Per tracepoint of libruntime; nullopt when the target has none or the back end cannot see them.
  std::array<std::optional<std::uint64_t>, trace::kTpCount> tracepoints{};
  // Processes that were counted and still live; nullopt where nobody looked.
  std::optional<std::uint64_t> processes;
  // Calls or events known to have escaped the counting.
  std::uint64_t lost = 0;
  // Of those, calls of the 32-bit interface (a 32-bit program, int $0x80), whose numbers mean other calls.
  std::uint64_t foreign = 0;
};

// The difference of two readings of one source: what happened between them.
Counts counts_between(const Counts& earlier, const Counts& later);

// Adds `more` to `sum`: two processes counted as one target. A tracepoint is known when it is known of one of them.
void add_counts(Counts& sum, const Counts& more);

void add_in_flight(InFlight& sum, const InFlight& more);

}  // namespace netpoll::probes
