// The document of `run` over several designs: netpoll-trace/matrix/v1.
#pragma once

#include <chrono>
#include <vector>

#include "cli/run/matrix.h"
#include "exporters/json_fwd.h"

namespace netpoll::cli {

// The run of one design, from its samples: the medians, with .spread and .samples where there are several.
exporters::Json repeated_run_document(const Cell& cell);

// Every design beside the first. cells must not be empty.
exporters::Json matrix_document(const std::vector<Cell>& cells, std::chrono::system_clock::time_point started_at,
                                bool interrupted);

}  // namespace netpoll::cli
