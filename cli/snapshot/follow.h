// snapshot --follow: who waits at the other end of each goroutine's descriptor.
#pragma once

#include "cli/documents/goroutine_filter.h"
#include "netpoll/trace/goroutine.h"

namespace netpoll::cli {

// Fills in PeerProcess::waiters of the goroutines that the filter shows, one reading of each process at the other ends.
// One that cannot be read, or too many of them, leaves nothing, and a sentence in snapshot.warnings.
void follow_peers(trace::GoroutineSnapshot& snapshot, const GoroutineFilter& filter);

}  // namespace netpoll::cli
