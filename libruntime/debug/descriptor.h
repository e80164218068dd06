// What a descriptor of this process is, for the record of the goroutine that waits for it.
#pragma once

#include "netpoll/trace/goroutine.h"

namespace netpoll::debug {

// Fills in kind, addresses, TCP state, queues and idle time of g, which waits for g.fd. The descriptor must stay open
// meanwhile, or the caller throws the record away.
void describe_descriptor(trace::Goroutine& g);

}  // namespace netpoll::debug
