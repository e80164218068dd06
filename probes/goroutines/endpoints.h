// What is behind the descriptors of a snapshot: the part of a goroutine's record that no runtime knows and the kernel
// does, the same for every reader.
#pragma once

#include "netpoll/trace/goroutine.h"
#include "probes/process/subject.h"

namespace netpoll::probes {

// Fills in kind, addresses, states and queues of every goroutine that has an fd. What is closed meanwhile, or not to be
// looked at, stays unknown. Returns what it found.
Descriptors add_endpoints(Subject& subject, trace::GoroutineSnapshot& snapshot, Ends ends);

}  // namespace netpoll::probes
