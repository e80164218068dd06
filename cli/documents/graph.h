// The document of `snapshot --graph`.
#pragma once

#include <chrono>

#include "cli/documents/goroutine_filter.h"
#include "cli/graph/wait_graph.h"
#include "exporters/json_fwd.h"

namespace netpoll::cli {

// What redaction hides is hidden, but for the names of processes that were asked for.
exporters::Json graph_document(const WaitGraph& graph, std::chrono::system_clock::time_point taken_at,
                               std::chrono::nanoseconds took, bool followed, const Redaction& redaction);

}  // namespace netpoll::cli
