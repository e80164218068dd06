// Whether BPF programs can be attached to user-space code here, found by attaching one to a function of ours.
#pragma once

#include <string>

#include "netpoll/result.h"

namespace netpoll::probes {

// Returns how it was done ("one link for all sites", "one perf event per site"). Nothing stays attached.
Result<std::string> try_usdt();

}  // namespace netpoll::probes
