// Whom BPF programs look at: checked and watched before any is attached, and named when attaching fails.
#pragma once

#include <span>
#include <string>

#include "netpoll/error.h"
#include "netpoll/result.h"
#include "probes/process/watch.h"
#include "probes/source.h"

namespace netpoll::probes {

// Either processes or cgroups are targets. Fails with kInvalid when it is both or neither, as ProcessWatches::open()
// when a process is not there, and as check_countable(). The watches of cgroups are none.
Result<ProcessWatches> watch_targets(std::span<const Target> targets, std::span<const std::string> cgroups);

// "attach to pid 7: ".
Error within_targets(Error error, std::span<const Target> targets, std::span<const std::string> cgroups);

}  // namespace netpoll::probes
