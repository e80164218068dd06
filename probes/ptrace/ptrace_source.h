// The back end `ptrace`: for users and machines that eBPF refuses. It needs no privilege for one's own processes, gives
// the same counts, and costs the target two stops per counted call.
//
//   -- CMD   a seccomp filter stops the child at counted calls only. Unless root starts it, it has no_new_privs, so
//            set-user-ID programs below it run without their privileges. After detach() it goes on uncounted, and
//            destroying the source kills what is left of it, because the filter cannot be taken off.
//   -p PID   every system call of the process stops; threads blocked in epoll_wait see EINTR once, at attach. After
//            detach() it runs as before.
//
// In both, a traced process notices signals that it ignores, SIGCHLD by default among them: an epoll_wait that sleeps
// meanwhile returns EINTR (the kernel keeps no signal from a tracer; strace has the same effect).
//
// A call that a seccomp filter of the target's own refuses stops only in the second case, and is counted only there.
// A running process that is a child of ours loses its exit status to the tracer: launch it with prepare() instead.
//
// wait() returns false when all traced processes have ended: forks of a CMD belong to them, as with strace -f.
// Tracepoints of libruntime are not visible to ptrace: Counts::tracepoints stay nullopt. 32-bit programs are refused
// where they are the target, and their calls are counted as lost where they are run by it.
#pragma once

#include <memory>

#include "probes/source.h"

namespace netpoll::probes {

std::unique_ptr<Source> make_ptrace_source(const SourceOptions& options);

}  // namespace netpoll::probes
