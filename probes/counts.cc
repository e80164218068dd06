// The table of system calls: names and classes.
#include "probes/counts.h"

#include <algorithm>

namespace netpoll::probes {
namespace {

constexpr std::array<std::string_view, kSyscallCount> kNames = {
#define NETPOLL_SYSCALL(name, class_) #name,
#include "probes/syscalls.def"
#undef NETPOLL_SYSCALL
};

constexpr std::array<std::string_view, kSyscallCount> kClasses = {
#define NETPOLL_SYSCALL(name, class_) #class_,
#include "probes/syscalls.def"
#undef NETPOLL_SYSCALL
};

// Zips two Counts; F gets (sum cell, other cell) of every number.
template <typename F>
void each_number(Counts& a, const Counts& b, F&& f) {
  for (std::size_t i = 0; i < kSyscallCount; ++i) {
    SyscallCounts& left = a.syscalls[i];
    const SyscallCounts& right = b.syscalls[i];
    f(left.count, right.count);
    f(left.returned, right.returned);
    for (const auto& [number, calls] : right.errors) f(left.errors[number], calls);
    if (left.total_ns && right.total_ns) f(*left.total_ns, *right.total_ns);
    if (left.window_ns && right.window_ns) f(*left.window_ns, *right.window_ns);
    if (left.latency && right.latency) {
      for (std::size_t k = 0; k < left.latency->size(); ++k) f((*left.latency)[k], (*right.latency)[k]);
    }
  }
  f(a.ctl_add, b.ctl_add);
  f(a.ctl_mod, b.ctl_mod);
  f(a.ctl_del, b.ctl_del);
  for (std::size_t i = 0; i < a.waits.size(); ++i) {
    f(a.waits[i].events, b.waits[i].events);
    f(a.waits[i].empty, b.waits[i].empty);
    f(a.waits[i].timeouts, b.waits[i].timeouts);
  }
  for (std::size_t i = 0; i < a.tracepoints.size(); ++i) {
    if (a.tracepoints[i] && b.tracepoints[i]) f(*a.tracepoints[i], *b.tracepoints[i]);
  }
  f(a.lost, b.lost);
  f(a.foreign, b.foreign);
}

}  // namespace

std::string_view syscall_name(Syscall syscall) { return kNames[static_cast<std::size_t>(syscall)]; }

std::string_view syscall_class(Syscall syscall) { return kClasses[static_cast<std::size_t>(syscall)]; }

std::optional<Syscall> parse_syscall(std::string_view name) {
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    if (kNames[i] == name) return static_cast<Syscall>(i);
  }
  return std::nullopt;
}

bool is_epoll_wait(Syscall syscall) { return syscall_class(syscall) == "wait"; }

void add_in_flight(InFlight& sum, const InFlight& more) {
  sum.count += more.count;
  sum.before += more.before;
  sum.longest_ns = std::max(sum.longest_ns, more.longest_ns);
}

Counts counts_between(const Counts& earlier, const Counts& later) {
  Counts difference = later;
  each_number(difference, earlier,
              [](std::uint64_t& value, std::uint64_t before) { value -= std::min(value, before); });
  for (SyscallCounts& row : difference.syscalls) std::erase_if(row.errors, [](const auto& e) { return e.second == 0; });
  return difference;
}

void add_counts(Counts& sum, const Counts& more) {
  each_number(sum, more, [](std::uint64_t& value, std::uint64_t other) { value += other; });
  for (std::size_t i = 0; i < kSyscallCount; ++i) {
    SyscallCounts& left = sum.syscalls[i];
    const SyscallCounts& right = more.syscalls[i];
    add_in_flight(left.in_flight, right.in_flight);
    if (right.count == 0 && right.in_flight.count == 0) continue;
    // A sum with an unknown part is unknown, unless it was empty so far.
    const bool fresh = left.count == right.count;
    if (!left.total_ns && fresh) left.total_ns = right.total_ns;
    if (!left.window_ns && fresh) left.window_ns = right.window_ns;
    if (!left.latency && fresh) left.latency = right.latency;
    if (!right.total_ns) left.total_ns.reset();
    if (!right.window_ns) left.window_ns.reset();
    if (!right.latency) left.latency.reset();
  }
  if (more.processes) sum.processes = sum.processes.value_or(0) + *more.processes;
  for (std::size_t i = 0; i < sum.tracepoints.size(); ++i) {
    if (!sum.tracepoints[i]) sum.tracepoints[i] = more.tracepoints[i];
  }
}

}  // namespace netpoll::probes
