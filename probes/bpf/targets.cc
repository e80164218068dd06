// Checks and names the targets of BPF programs.
#include "probes/bpf/targets.h"

#include <sys/stat.h>

#include <utility>

#include "probes/countable.h"
#include "probes/process/proc_status.h"

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

std::optional<TargetFile> file_of(const Target& target) {
  std::string path = target.held ? target.exe : executable_file(target.pid);
  struct stat file {};
  if (path.empty() || ::stat(path.c_str(), &file) != 0) return std::nullopt;
  return TargetFile{.path = std::move(path), .id = {file.st_dev, file.st_ino}};
}

Error within_targets(Error error, std::span<const Target> targets, std::span<const std::string> cgroups) {
  const std::string whom = !cgroups.empty()     ? "the cgroup " + cgroups.front()
                           : targets.size() > 1 ? std::to_string(targets.size()) + " processes"
                                                : "pid " + std::to_string(targets.front().pid);
  return std::move(error).within("attach to " + whom + ": ");
}

}  // namespace netpoll::probes
