// Pairs entries with exits, and sorts them into Counts.
#include "probes/ptrace/call_counter.h"

#include <sys/epoll.h>
#include <sys/uio.h>

#include <algorithm>
#include <bit>
#include <ctime>

namespace netpoll::probes {
namespace {

// The kernel's idea of a timespec on 64-bit machines.
struct KernelTimespec {
  std::int64_t seconds, nanoseconds;
};

constexpr int kRestartBlock = 516;  // ERESTART_RESTARTBLOCK in include/linux/errno.h of the kernel

std::size_t bucket_of(std::uint64_t ns) { return ns == 0 ? 0 : static_cast<std::size_t>(std::bit_width(ns)) - 1; }

std::uint64_t between(std::int64_t start_ns, std::int64_t end_ns) {
  return start_ns != 0 && end_ns > start_ns ? static_cast<std::uint64_t>(end_ns - start_ns) : 0;
}

}  // namespace

// Whether a wait that returned nothing had been asked to wait for some time.
bool CallCounter::asked_to_wait(const OpenCall& call, pid_t tid) {
  if (call.syscall != Syscall::epoll_pwait2) return static_cast<std::int32_t>(call.timeout) > 0;
  // A pointer to the time, or null to wait for ever, which does not return nothing.
  KernelTimespec timeout = {};
  iovec local = {&timeout, sizeof timeout};
  iovec remote = {reinterpret_cast<void*>(call.timeout), sizeof timeout};
  if (call.timeout == 0 || process_vm_readv(tid, &local, 1, &remote, 1, 0) != sizeof timeout) return false;
  return timeout.seconds != 0 || timeout.nanoseconds != 0;
}

CallCounter::CallCounter(bool latency) {
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
  open_.insert_or_assign(tid, OpenCall{syscall, args[3], 0});
}

void CallCounter::started(pid_t tid, std::int64_t now_ns) {
  const auto open = open_.find(tid);
  if (open != open_.end() && open->second.start_ns == 0) open->second.start_ns = now_ns;
}

void CallCounter::leave(pid_t tid, std::int64_t result, std::int64_t now_ns) {
  const auto open = open_.find(tid);
  if (open == open_.end()) {
    // Of a call that is not counted; what it is restarted as is not either.
    if (result == -kRestartBlock) restarts_.erase(tid);
    return;
  }
  const OpenCall call = open->second;
  open_.erase(open);
  const std::uint64_t ns = between(call.start_ns, now_ns);
  SyscallCounts& counts = row(call);
  ++counts.returned;
  if (counts.latency) {
    *counts.total_ns += ns;
    *counts.window_ns += ns;
    ++(*counts.latency)[bucket_of(ns)];
  }
  if (result < 0) {
    ++counts.errors[static_cast<int>(-result)];
    if (result == -kRestartBlock) restarts_.insert_or_assign(tid, Restart{call, ns});
  } else if (is_epoll_wait(call.syscall)) {
    Counts::Wait& wait = counts_.waits[static_cast<std::size_t>(call.syscall)];
    wait.events += static_cast<std::uint64_t>(result);
    if (result == 0) {
      ++wait.empty;
      if (asked_to_wait(call, tid)) ++wait.timeouts;
    }
  }
}

void CallCounter::reenter(pid_t tid) {
  const auto restart = restarts_.find(tid);
  if (restart == restarts_.end()) return;
  const auto [call, ns] = restart->second;
  restarts_.erase(restart);
  SyscallCounts& counts = row(call);
  --counts.returned;
  if (--counts.errors[kRestartBlock] == 0) counts.errors.erase(kRestartBlock);
  if (counts.latency) {
    *counts.total_ns -= ns;
    *counts.window_ns -= ns;
    --(*counts.latency)[bucket_of(ns)];
  }
  open_.insert_or_assign(tid, call);
}

void CallCounter::forget(pid_t tid, std::int64_t now_ns) {
  restarts_.erase(tid);
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
    if (row.window_ns) *row.window_ns += ns;
    row.in_flight.longest_ns = std::max(row.in_flight.longest_ns, ns);
  }
  return counts;
}

}  // namespace netpoll::probes
