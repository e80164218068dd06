// loads.h: the load generators. Each runs a whole load and returns its result; a stop of the run ends it early, with
// what was done so far and without an error. The first wrong byte, refused connection or reset is an Error.
#pragma once

#include <cstddef>

#include "cli/workload/args.h"
#include "cli/workload/protocol.h"
#include "cli/workload/workload.h"
#include "netpoll/result.h"

namespace netpoll::workload {

// The load of the child's workload, from its session to its end. One file a system: epoll_load.cc, goroutine_load.cc.
Result<LoadResult> run_load(const ChildArgs& child);

// Persistent connections, up to --depth requests in flight on each, each answer the echo of its request: echo, fanin,
// pipeline, proxy, reuseport, cpu. For idle the connections stay silent for the duration before they ask once.
Result<LoadResult> run_stream_load(Session& session);

// Connections that are made, used once and closed; --conns of them at a time.
Result<LoadResult> run_churn_load(Session& session);

// Requests of 16 bytes {seed, size of the answer, both little endian}, answered by the payload of that seed, of which
// at most 16 KiB are read per connection and --pause.
Result<LoadResult> run_slow_load(Session& session);
inline constexpr std::size_t kSlowRequestBytes = 16;

// Datagrams, one in flight per socket; one that is not answered within 200 ms is sent again.
Result<LoadResult> run_udp_load(Session& session);

}  // namespace netpoll::workload
