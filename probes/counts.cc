// The table of system calls: names and classes.
#include "probes/counts.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <string>

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

constexpr std::array<std::string_view, kSocketCallCount> kSocketCallNames = {
#define NETPOLL_SOCKET_CALL(name, kind) #name,
#include "probes/socket_calls.def"
#undef NETPOLL_SOCKET_CALL
};

constexpr std::array<std::string_view, kSocketCallCount> kSocketCallKinds = {
#define NETPOLL_SOCKET_CALL(name, kind) #kind,
#include "probes/socket_calls.def"
#undef NETPOLL_SOCKET_CALL
};

template <typename F>
void each_number(Counts::Wait& a, const Counts::Wait& b, F&& f) {
  f(a.events, b.events);
  f(a.empty, b.empty);
  f(a.timeouts, b.timeouts);
  f(a.asked_zero, b.asked_zero);
  f(a.asked_timed, b.asked_timed);
  f(a.asked_forever, b.asked_forever);
  for (std::size_t i = 0; i < a.per_return.size(); ++i) f(a.per_return[i], b.per_return[i]);
}

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
    if (left.blocked && right.blocked) {
      f(left.blocked->count, right.blocked->count);
      f(left.blocked->ns, right.blocked->ns);
    }
    f(left.bytes, right.bytes);
  }
  f(a.ctl_add, b.ctl_add);
  f(a.ctl_mod, b.ctl_mod);
  f(a.ctl_del, b.ctl_del);
  for (std::size_t i = 0; i < a.waits.size(); ++i) each_number(a.waits[i], b.waits[i], f);
  if (a.socket_calls && b.socket_calls) {
    for (std::size_t i = 0; i < a.socket_calls->size(); ++i) f((*a.socket_calls)[i], (*b.socket_calls)[i]);
  }
  for (std::size_t i = 0; i < a.tracepoints.size(); ++i) {
    if (a.tracepoints[i] && b.tracepoints[i]) f(*a.tracepoints[i], *b.tracepoints[i]);
  }
  if (a.uring_ops && b.uring_ops) {
    for (std::size_t i = 0; i < a.uring_ops->size(); ++i) f((*a.uring_ops)[i], (*b.uring_ops)[i]);
  }
  if (a.spurious_wakeups && b.spurious_wakeups) f(*a.spurious_wakeups, *b.spurious_wakeups);
  if (a.forks_left && b.forks_left) f(*a.forks_left, *b.forks_left);
  f(a.lost, b.lost);
  f(a.foreign, b.foreign);
  f(a.unseen_programs, b.unseen_programs);
}

}  // namespace

std::string_view syscall_name(Syscall syscall) { return kNames[static_cast<std::size_t>(syscall)]; }

std::string uring_op_name(std::size_t number) {
  static constexpr std::array kNamesOfOps = {
#define NETPOLL_URING_OP(name, about_fd) std::string_view(#name),
#include "probes/uring_ops.def"
#undef NETPOLL_URING_OP
  };
  if (number < kNamesOfOps.size()) return std::string(kNamesOfOps[number]);
  return "op" + std::to_string(number);
}

std::string_view uring_event_name(std::size_t opcode) {
  static const auto kEvents = [] {
    std::array<std::string, kUringOps> names;
    for (std::size_t i = 0; i < names.size(); ++i) names.at(i) = "uring_" + uring_op_name(i);
    names.back() = "uring_unknown";
    return names;
  }();
  return kEvents.at(std::min(opcode, kUringOps - 1));
}

std::string_view syscall_name(SocketCall call) { return kSocketCallNames[static_cast<std::size_t>(call)]; }

bool is_for_sockets(SocketCall call) { return kSocketCallKinds[static_cast<std::size_t>(call)] == "always"; }

std::string_view syscall_class(Syscall syscall) { return kClasses[static_cast<std::size_t>(syscall)]; }

std::optional<Syscall> parse_syscall(std::string_view name) {
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    if (kNames[i] == name) return static_cast<Syscall>(i);
  }
  return std::nullopt;
}

bool is_epoll_wait(Syscall syscall) { return syscall_class(syscall) == "wait"; }

bool waits_for_events(Syscall syscall) { return static_cast<std::size_t>(syscall) < kWaitCount; }

bool moves_bytes(Syscall syscall) {
  switch (syscall) {
    case Syscall::read:
    case Syscall::write:
    case Syscall::readv:
    case Syscall::writev:
    case Syscall::recvfrom:
    case Syscall::sendto:
    case Syscall::recvmsg:
    case Syscall::sendmsg:
    case Syscall::preadv2:
    case Syscall::pwritev2:
    case Syscall::sendfile:
    case Syscall::splice:
      return true;
    default:
      return false;
  }
}

std::size_t latency_bucket(std::uint64_t ns) {
  if (ns < 4) return static_cast<std::size_t>(ns);
  const auto octave = static_cast<std::size_t>(std::bit_width(ns)) - 1;
  return std::min<std::size_t>((octave - 1) * 4 + ((ns >> (octave - 2)) & 3), kHistogramBuckets - 1);
}

std::uint64_t bucket_floor_ns(std::size_t bucket) {
  if (bucket < 4) return bucket;
  return (4 + (bucket & 3)) << (bucket / 4 - 1);
}

std::optional<std::uint64_t> quantile_ns(const LatencyHistogram& histogram, double q) {
  std::uint64_t total = 0;
  for (const std::uint64_t calls : histogram) total += calls;
  if (total == 0) return std::nullopt;
  const auto rank =
      std::clamp<std::uint64_t>(static_cast<std::uint64_t>(std::ceil(q * static_cast<double>(total))), 1, total);
  std::uint64_t seen = 0;
  std::size_t bucket = 0;
  while ((seen += histogram[bucket]) < rank) ++bucket;
  return (bucket_floor_ns(bucket) + bucket_floor_ns(bucket + 1)) / 2;
}

std::size_t event_bucket(std::uint64_t events) {
  return std::min<std::size_t>(static_cast<std::size_t>(std::bit_width(events)), kEventBuckets - 1);
}

void add_wait(Counts::Wait& sum, const Counts::Wait& more) {
  each_number(sum, more, [](std::uint64_t& value, std::uint64_t other) { value += other; });
}

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
    left.counted = left.counted && right.counted;
    if (right.count == 0 && right.in_flight.count == 0) continue;
    // A sum with an unknown part is unknown, unless it was empty so far.
    const bool fresh = left.count == right.count;
    if (!left.total_ns && fresh) left.total_ns = right.total_ns;
    if (!left.window_ns && fresh) left.window_ns = right.window_ns;
    if (!left.latency && fresh) left.latency = right.latency;
    if (!left.blocked && fresh) left.blocked = right.blocked;
    left.errors_known = left.errors_known && right.errors_known;
    if (!right.total_ns) left.total_ns.reset();
    if (!right.window_ns) left.window_ns.reset();
    if (!right.latency) left.latency.reset();
    if (!right.blocked) left.blocked.reset();
  }
  if (!sum.uring_ops) sum.uring_ops = more.uring_ops;
  if (!sum.spurious_wakeups) sum.spurious_wakeups = more.spurious_wakeups;
  if (!sum.forks_left) sum.forks_left = more.forks_left;
  if (!sum.socket_calls) sum.socket_calls = more.socket_calls;
  sum.returns_known = sum.returns_known && more.returns_known;
  sum.processes_exact = sum.processes_exact && more.processes_exact;
  if (more.processes) sum.processes = sum.processes.value_or(0) + *more.processes;
  for (std::size_t i = 0; i < sum.tracepoints.size(); ++i) {
    if (!sum.tracepoints[i]) sum.tracepoints[i] = more.tracepoints[i];
  }
}

}  // namespace netpoll::probes
