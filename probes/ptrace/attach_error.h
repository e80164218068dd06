// Why the kernel refused to let us trace a process, in words.
#pragma once

#include <sys/types.h>

#include "netpoll/error.h"

namespace netpoll::probes {

// Whether pid is the process that traces us. Each would then wait for the other.
bool traces_us(pid_t pid);

// sys_errno is PTRACE_SEIZE's. The usual reasons behind EPERM are looked up: another tracer, another user, Yama.
Error attach_error(pid_t pid, int sys_errno);

}  // namespace netpoll::probes
