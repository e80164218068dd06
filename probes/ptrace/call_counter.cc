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

// Whether a wait that returned nothing had been asked to wait for some time.
bool asked_to_wait(const OpenCall& call, pid_t tid) {
  if (call.syscall != Syscall::epoll_pwait2) return static_cast<std::int32_t>(call.timeout) > 0;
  // A pointer to the time, or null to wait for ever, which does not return nothing.
  KernelTimespec timeout = {};
  iovec local = {&timeout, sizeof timeout};
  iovec remote = {reinterpret_cast<void*>(call.timeout), sizeof timeout};
  if (call.timeout == 0 || process_vm_readv(tid, &local, 1, &remote, 1, 0) != sizeof timeout) return false;
  return timeout.seconds != 0 || timeout.nanoseconds != 0;
}

}  // namespace

CallCounter::CallCounter(bool latency) {
  if (!latency) return;
  for (SyscallCounts& syscall : counts_.syscalls) {
    syscall.total_ns = 0;
    syscall.latency.emplace();
  }
}

OpenCall CallCounter::enter(Syscall syscall, const std::array<std::uint64_t, 6>& args) {
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
  return {syscall, args[3], 0};
}

void CallCounter::leave(const OpenCall& call, std::int64_t result, std::uint64_t end_ns, pid_t tid) {
  const auto index = static_cast<std::size_t>(call.syscall);
  SyscallCounts& counts = counts_.syscalls[index];
  if (counts.latency) {
    const std::uint64_t ns = end_ns > call.start_ns ? end_ns - call.start_ns : 0;
    *counts.total_ns += ns;
    ++(*counts.latency)[ns == 0 ? 0 : static_cast<std::size_t>(std::bit_width(ns)) - 1];
  }
  if (result < 0) {
    ++counts.errors[static_cast<int>(-result)];
  } else if (is_epoll_wait(call.syscall)) {
    Counts::Wait& wait = counts_.waits[index];
    wait.events += static_cast<std::uint64_t>(result);
    if (result == 0) {
      ++wait.empty;
      if (asked_to_wait(call, tid)) ++wait.timeouts;
    }
  }
}

}  // namespace netpoll::probes
