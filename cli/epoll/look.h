// Reads the interest sets of processes and finds what is wrong with them: what `epoll` and `lint` look at.
#pragma once

#include <sys/types.h>

#include <vector>

#include "cli/documents/epoll.h"
#include "netpoll/result.h"

namespace netpoll::cli {

// Looks once, or twice with a pause of 200 ms between where bytes wait at the first look. Errors: as
// read_interest_sets.
Result<EpollView> look_at_interest_sets(const std::vector<pid_t>& pids);

}  // namespace netpoll::cli
