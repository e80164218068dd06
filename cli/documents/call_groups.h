// Figures of each process, thread, descriptor or cgroup as the member .groups of `stat`.
#pragma once

#include <vector>

#include "exporters/json_fwd.h"
#include "probes/source.h"

namespace netpoll::cli {

// Null with GroupBy::kNothing. Rows that took the most time first. Addresses of sockets are looked up now, and unknown
// of those that are closed.
exporters::Json call_groups_json(const std::vector<probes::GroupCounts>& groups, probes::GroupBy by);

}  // namespace netpoll::cli
