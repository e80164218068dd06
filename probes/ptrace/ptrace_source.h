// The back end `ptrace`: for users and machines that eBPF refuses. It needs no privilege for one's own processes, gives
// the same counts, and costs the target two stops per counted call.
//
//   -- CMD   a seccomp filter stops the child at counted calls only. It inherits no_new_privs, unless root starts it,
//   so
//            set-user-ID programs below it run without their privileges. After detach() it goes on uncounted;
//            destroying the source kills what is left of it, because the filter cannot be taken off.
//   -p PID   every system call of the process stops; threads blocked in epoll_wait see EINTR once, at attach. After
//            detach() it runs as before.
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
