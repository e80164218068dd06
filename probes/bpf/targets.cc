// Checks and names the targets of BPF programs.
#include "probes/bpf/targets.h"

#include <utility>

#include "probes/countable.h"

namespace netpoll::probes {

Result<ProcessWatches> watch_targets(std::span<const Target> targets, std::span<const std::string> cgroups) {
  if (targets.empty() == cgroups.empty()) {
    return Error(ErrorKind::kInvalid, "either cgroups or processes are targets");
  }
  auto watches = ProcessWatches::open(pids_of(targets));
  if (!watches) return watches;
  for (const Target& target : targets) {
    if (auto fit = check_countable(target); !fit) return std::move(fit).error();
  }
  return watches;
}

Error within_targets(Error error, std::span<const Target> targets, std::span<const std::string> cgroups) {
  const std::string whom = !cgroups.empty()     ? "the cgroup " + cgroups.front()
                           : targets.size() > 1 ? std::to_string(targets.size()) + " processes"
                                                : "pid " + std::to_string(targets.front().pid);
  return std::move(error).within("attach to " + whom + ": ");
}

}  // namespace netpoll::probes
