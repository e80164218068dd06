// The back end `perf`: counters of perf_event_open(2) on the tracepoints of system calls. They need no privilege for
// one's own command and cost it least of all without one; of times and of what calls returned they know little.
#pragma once

#include <memory>

#include "probes/source.h"

namespace netpoll::probes {

// Opens a counter of the calling thread on every tracepoint that is needed and makes each call a known number of times,
// so that "does it work here", and whether the ids are right, is answered before a target exists (a millisecond).
// Fails with a hint when the ids are unknown (tracepoint_ids.h) or perf_event_open is refused.
//
// What is counted, and what is not:
// - a held child from its exec on, each thread, and with follow_forks each process that it starts, to the last call;
//   another target is refused with kNotSupported;
// - calls by number, epoll_ctl by operation, wait calls that returned nothing, and errors of wait, I/O and epoll_ctl
//   calls: the most telling errno of each, and the others together (kOtherErrors). See Counts::returns_known for the
//   rest;
// - with SourceOptions::syscalls, those alone: each counter costs every new thread or process some 5 us and a kilobyte
//   of kernel memory;
// - the kernel takes the counters off a process that executes a set-user-ID program, or one that its user may not read,
//   and does not pass these tracepoints in a 32-bit program. How many programs were executed so is
//   Counts::unseen_programs, and in `lost`;
// - nor does it pass them in a 64-bit program that calls the 32-bit interface by int $0x80 (trace_get_syscall_nr() of
//   kernel/trace/trace_syscalls.c). Nobody tells how often: raw_syscalls:sys_enter sees such calls, but as other ones
//   of the same number. So they are in no figure, not in `lost` either, which overhead_note() says.
//
// detach() takes about a millisecond; see close_in_background() for what follows.
Result<std::unique_ptr<Source>> make_perf_source(const SourceOptions& options);

}  // namespace netpoll::probes
