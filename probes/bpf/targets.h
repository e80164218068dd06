// Whom BPF programs look at: checked and watched before any is attached, and named when attaching fails.
#pragma once

#include <sys/types.h>

#include <optional>
#include <span>
#include <string>
#include <utility>

#include "netpoll/error.h"
#include "netpoll/result.h"
#include "probes/process/watch.h"
#include "probes/source.h"

namespace netpoll::probes {

// Either processes or cgroups are targets. Fails with kInvalid when it is both or neither, as ProcessWatches::open()
// when a process is not there, and as check_countable(). The watches of cgroups are none.
Result<ProcessWatches> watch_targets(std::span<const Target> targets, std::span<const std::string> cgroups);

// The executable of a target, and what tells it from others.
struct TargetFile {
  std::string path;
  std::pair<dev_t, ino_t> id;
};
// Nothing where it cannot be seen. A process that runs is asked for its file through /proc, which also finds it in
// another mount namespace or deleted.
std::optional<TargetFile> file_of(const Target& target);

// "attach to pid 7: ".
Error within_targets(Error error, std::span<const Target> targets, std::span<const std::string> cgroups);

}  // namespace netpoll::probes
