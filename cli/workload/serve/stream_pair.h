// A pair of connected streams for a goroutine that talks to itself. One file a system: stream_pair_posix.cc,
// stream_pair_windows.cc.
#pragma once

#include <utility>

#include "netpoll/net/conn.h"
#include "netpoll/result.h"

namespace netpoll::workload {

// For goroutines; both ends read and write.
Result<std::pair<Conn, Conn>> stream_pair();

}  // namespace netpoll::workload
