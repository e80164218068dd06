// Checks and names the targets of BPF programs.
#include "probes/bpf/targets.h"

#include <sys/stat.h>

#include <utility>

#include "probes/countable.h"
#include "probes/process/proc_status.h"

namespace netpoll::probes {

Result<BpfTargets> BpfTargets::watch(std::span<const Target> processes, std::span<const std::string> cgroups) {
  if (processes.empty() == cgroups.empty()) {
    return Error(ErrorKind::kInvalid, "either cgroups or processes are targets");
  }
  BpfTargets targets;
  auto watches = ProcessWatches::open(pids_of(processes));
  if (!watches) return std::move(watches).error();
  for (const Target& process : processes) {
    if (auto fit = check_countable(process); !fit) return std::move(fit).error();
  }
  targets.watches_ = std::move(*watches);
  targets.processes_.assign(processes.begin(), processes.end());
  targets.cgroups_.assign(cgroups.begin(), cgroups.end());
  return targets;
}

Result<bool> BpfTargets::wait(int timeout_ms, int stop_fd) {
  if (!cgroups()) return watches_.wait(timeout_ms, stop_fd);
  if (auto waited = wait_readable(stop_fd, timeout_ms, -1); !waited) return std::move(waited).error();
  return true;
}

Error BpfTargets::within(Error error) const {
  const std::string whom = cgroups()   ? "the cgroup " + cgroups_.front()
                           : several() ? std::to_string(processes_.size()) + " processes"
                                       : "pid " + std::to_string(processes_.front().pid);
  return std::move(error).within("attach to " + whom + ": ");
}

std::optional<TargetFile> file_of(const Target& target) {
  std::string path = target.held ? target.exe : executable_file(target.pid);
  struct stat file {};
  if (path.empty() || ::stat(path.c_str(), &file) != 0) return std::nullopt;
  return TargetFile{.path = std::move(path), .id = {file.st_dev, file.st_ino}};
}

}  // namespace netpoll::probes
