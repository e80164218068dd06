// task_walk runs a BPF program of type iter/task once over threads.
#pragma once

#include <sys/types.h>

#include "netpoll/result.h"

struct bpf_program;

namespace netpoll::probes {

// Runs program for each thread of the process pid, a number in our own pid namespace, or for every thread of the
// machine when pid is 0 or the kernel cannot be asked for one process (before Linux 6.1). Returns whether the walk was
// limited to pid; a process that does not exist is an empty walk. About 1 us per thread.
Result<bool> walk_tasks(bpf_program* program, pid_t pid);

}  // namespace netpoll::probes
