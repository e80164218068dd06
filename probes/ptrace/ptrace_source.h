// The back end `ptrace`: for users and machines that eBPF refuses. It needs no privilege for one's own processes, gives
// the same counts, and costs the target two stops per counted call.
//
// Every system call of the target stops, counted or not, unless LaunchSpec::dies_with_source: then a seccomp filter
// stops it at counted calls only. That cannot be taken off, and without its tracer the kernel answers these calls with
// ENOSYS, so it is not for commands that live on: what is left of such a child after detach() goes on uncounted, and is
// killed when the source is destroyed or we are. A call that a filter of the child's own refuses is not counted there.
// Others run on as before after detach(), and should we be killed, untraced; in the latter case a busy thread that
// shares our CPU at that moment stays on it (Placement; taskset -p shows and lifts that). Unless root traces it, a
// set-user-ID program that it executes meanwhile runs without its privileges (execve(2)).
//
// The stops go unnoticed: a wait that attaching, or a signal that the target ignores, would end with EINTR goes on,
// with its whole timeout anew (on x86-64; elsewhere it returns EINTR, as after SIGSTOP and SIGCONT).
//
// A running process that is a child of ours loses its exit status to the tracer: launch it with prepare() instead.
//
// Each of several targets has a tracing thread of its own. With follow_forks, descendants that exist at attach are
// traced too, but for those that somebody else traces.
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
