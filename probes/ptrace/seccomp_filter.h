// The seccomp program that makes a child stop only where there is something to count.
#pragma once

#include <linux/filter.h>

#include <span>
#include <vector>

namespace netpoll::probes {

// SECCOMP_RET_TRACE for calls of these numbers, restart_syscall, those that pass a CPU affinity on, and every call of
// another architecture, which cannot be told by its number. A process under it must be traced
// with PTRACE_O_TRACESECCOMP for as long as it lives: without a tracer the kernel answers these calls with ENOSYS
// (seccomp(2)), and nobody can take the program off.
std::vector<sock_filter> make_seccomp_filter(std::span<const unsigned> numbers);

}  // namespace netpoll::probes
