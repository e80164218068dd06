// The seccomp program that makes a child stop only where there is something to count.
#pragma once

#include <linux/filter.h>

#include <cstdint>
#include <vector>

#include "probes/counts.h"

namespace netpoll::probes {

// What a stop is about. The filter returns it in the data of SECCOMP_RET_TRACE.
enum class StopReason : std::uint16_t {
  // below kSyscallCount: the Syscall of that value
  kRestart = 0xfffd,   // restart_syscall, which goes on with a call that was interrupted
  kAffinity = 0xfffe,  // one of Arch::affinity_calls
  kForeign = 0xffff,   // a call of another architecture (a 32-bit program), which cannot be told by its number
};
constexpr StopReason stop_reason(Syscall syscall) { return static_cast<StopReason>(syscall); }

// Returns the program for the calls of syscalls.def. A process under it must be traced with PTRACE_O_TRACESECCOMP for
// as long as it lives, since without a tracer the kernel answers these calls with ENOSYS (seccomp(2)).
std::vector<sock_filter> make_seccomp_filter();

}  // namespace netpoll::probes
