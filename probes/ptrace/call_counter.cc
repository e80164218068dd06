// Pairs entries with exits, and sorts them into Counts.
#include "probes/ptrace/call_counter.h"

#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include <algorithm>
#include <string>

#include "probes/ptrace/kernel_errors.h"

namespace netpoll::probes {
namespace {

std::uint64_t between(std::int64_t start_ns, std::int64_t end_ns) {
  return start_ns != 0 && end_ns > start_ns ? static_cast<std::uint64_t>(end_ns - start_ns) : 0;
}

}  // namespace

// The time that an argument points to: seconds and some fraction. Null waits for ever.
CallCounter::Timeout CallCounter::timeout_at(pid_t tid, std::uint64_t pointer) {
  std::array<std::int64_t, 2> time{};
  iovec local = {time.data(), sizeof time};
  iovec remote = {reinterpret_cast<void*>(pointer), sizeof time};
  if (pointer == 0) return Timeout::kForever;
  if (process_vm_readv(tid, &local, 1, &remote, 1, 0) != sizeof time) return Timeout::kUnknown;
  return time[0] != 0 || time[1] != 0 ? Timeout::kTimed : Timeout::kZero;
}

// At the entry, since the kernel overwrites some of these with what is left.
CallCounter::Timeout CallCounter::timeout_of(pid_t tid, Syscall syscall, const std::array<std::uint64_t, 6>& args) {
  std::int32_t ms = 0;
  switch (syscall) {
    case Syscall::epoll_wait:
    case Syscall::epoll_pwait:
      ms = static_cast<std::int32_t>(args[3]);
      break;
    case Syscall::poll:
      ms = static_cast<std::int32_t>(args[2]);
      break;
    case Syscall::epoll_pwait2:
      return timeout_at(tid, args[3]);
    case Syscall::ppoll:
      return timeout_at(tid, args[2]);
    case Syscall::select:
    case Syscall::pselect6:
      return timeout_at(tid, args[4]);
    default:
      return Timeout::kUnknown;
  }
  return ms > 0 ? Timeout::kTimed : ms == 0 ? Timeout::kZero : Timeout::kForever;
}

CallCounter::CallCounter(bool latency) {
  counts_.socket_calls.emplace();
  if (!latency) return;
  for (SyscallCounts& syscall : counts_.syscalls) {
    syscall.total_ns = syscall.window_ns = 0;
    syscall.latency.emplace();
  }
}

void CallCounter::enter(pid_t tid, Syscall syscall, const std::array<std::uint64_t, 6>& args) {
  ++counts_.syscalls[static_cast<std::size_t>(syscall)].count;
  if (syscall == Syscall::epoll_ctl) {
    switch (static_cast<std::int32_t>(args[1])) {
      case EPOLL_CTL_ADD:
        ++counts_.ctl_add;
        break;
      case EPOLL_CTL_MOD:
        ++counts_.ctl_mod;
        break;
      case EPOLL_CTL_DEL:
        ++counts_.ctl_del;
        break;
      default:
        break;
    }
  }
  open_.insert_or_assign(tid, OpenCall{syscall, timeout_of(tid, syscall, args), 0});
}

void CallCounter::enter_before(pid_t tid, Syscall syscall, std::int64_t now_ns) {
  open_.insert_or_assign(tid, OpenCall{syscall, Timeout::kUnknown, now_ns, /*before=*/true});
}

void CallCounter::started(pid_t tid, std::int64_t now_ns) {
  const auto open = open_.find(tid);
  if (open != open_.end() && open->second.start_ns == 0) open->second.start_ns = now_ns;
}

void CallCounter::leave(pid_t tid, std::int64_t result, std::int64_t now_ns) {
  const auto open = open_.find(tid);
  if (open == open_.end()) return;
  const OpenCall call = open->second;
  open_.erase(open);
  const std::uint64_t ns = between(call.start_ns, now_ns);
  SyscallCounts& counts = row(call);
  if (call.before) {
    if (counts.window_ns) *counts.window_ns += ns;
    return;
  }
  ++counts.returned;
  if (counts.latency) {
    *counts.total_ns += ns;
    *counts.window_ns += ns;
    ++(*counts.latency)[latency_bucket(ns)];
  }
  if (result < 0) {
    ++counts.errors[static_cast<int>(-result)];
    if (result == -kRestartBlock) return;  // what a wait was asked for is counted when it has returned for good
  } else if (moves_bytes(call.syscall)) {
    counts.bytes += static_cast<std::uint64_t>(result);
  }
  if (waits_for_events(call.syscall)) count_wait(call, result);
}

void CallCounter::count_wait(const OpenCall& call, std::int64_t result) {
  Counts::Wait& wait = counts_.waits[static_cast<std::size_t>(call.syscall)];
  wait.asked_zero += call.timeout == Timeout::kZero;
  wait.asked_timed += call.timeout == Timeout::kTimed;
  wait.asked_forever += call.timeout == Timeout::kForever;
  if (result < 0) return;
  const auto events = static_cast<std::uint64_t>(result);
  wait.events += events;
  ++wait.per_return[event_bucket(events)];
  if (events != 0) return;
  ++wait.empty;
  if (call.timeout == Timeout::kTimed) ++wait.timeouts;
}

void CallCounter::note(pid_t tgid, SocketCall call, const std::array<std::uint64_t, 6>& args) {
  if (!is_for_sockets(call)) {
    struct stat file {};
    const std::string path = "/proc/" + std::to_string(tgid) + "/fd/" + std::to_string(static_cast<unsigned>(args[0]));
    if (::stat(path.c_str(), &file) != 0 || !S_ISSOCK(file.st_mode)) return;
  }
  ++(*counts_.socket_calls)[static_cast<std::size_t>(call)];
}

void CallCounter::forget(pid_t tid, std::int64_t now_ns) {
  const auto open = open_.find(tid);
  if (open == open_.end()) return;
  SyscallCounts& counts = row(open->second);
  if (counts.window_ns) *counts.window_ns += between(open->second.start_ns, now_ns);
  open_.erase(open);
}

Counts CallCounter::counts(std::int64_t now_ns) const {
  Counts counts = counts_;
  for (const auto& [tid, call] : open_) {
    SyscallCounts& row = counts.syscalls[static_cast<std::size_t>(call.syscall)];
    const std::uint64_t ns = between(call.start_ns, now_ns);
    ++row.in_flight.count;
    row.in_flight.before += call.before;
    if (row.window_ns) *row.window_ns += ns;
    row.in_flight.longest_ns = std::max(row.in_flight.longest_ns, ns);
  }
  return counts;
}

}  // namespace netpoll::probes
