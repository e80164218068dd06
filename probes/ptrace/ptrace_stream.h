// The streaming half of the ptrace back end.
#pragma once

#include <memory>

#include "probes/stream.h"
#include "probes/stream/goroutine_names.h"

namespace netpoll::probes {

// The calls of every thread of the targets, and of their descendants where forks are followed, as make_ebpf_stream()
// has them, without privileges for one's own processes and at ptrace's cost: the target stops twice at every call, in
// the stream or not. Not libruntime's tracepoints, and not the CPU of an event. A call that was under way at attach()
// is interrupted and begins anew. Events that find no room are counted and said before the next one. goroutines: for Go
// programs; null: none are looked for.
std::unique_ptr<StreamSource> make_ptrace_stream(const StreamOptions& options,
                                                 std::unique_ptr<GoroutineNames> goroutines);

}  // namespace netpoll::probes
