// The map `groups`, read from user space.
#pragma once

#include <vector>

#include "netpoll/result.h"
#include "probes/source.h"

namespace netpoll::probes {

// map_fd is borrowed. Targets go on counting meanwhile: what appears during the walk may be missed, nothing is told
// twice.
Result<std::vector<GroupCounts>> read_group_map(int map_fd, GroupBy group_by);

}  // namespace netpoll::probes
