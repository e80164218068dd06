// The streaming half of the back end `self`: libruntime's own rings, read through the debug ABI. It needs no more than
// the right to read, and for one word to write, the target's memory.
#pragma once

#include <memory>

#include "probes/stream.h"

namespace netpoll::probes {

// Tracepoints alone, of programs of libruntime. While it is attached it asks the target, by writing one word of its
// memory ahead of time (DebugRuntime::record_until), to keep its tracepoints in rings; the target stops a second or so
// after the last time it was asked, whatever became of us. Each event costs the target a look at the clock and 64 bytes
// of memory traffic.
//
// A held target has no runtime yet: it is looked for every millisecond, and what its Runtimes counted before the first
// look is counted as lost. One that already runs is seen from attach() on, which fails with kNotSupported when it is no
// program of libruntime. Forks are not followed. What a Runtime did between the last look and its end is lost, and not
// counted.
std::unique_ptr<StreamSource> make_self_stream(const StreamOptions& options);

}  // namespace netpoll::probes
