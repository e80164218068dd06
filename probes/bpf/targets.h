// Whom BPF programs look at: checked and watched before any is attached, and named when attaching fails.
#pragma once

#include <sys/types.h>

#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "netpoll/error.h"
#include "netpoll/result.h"
#include "probes/process/watch.h"
#include "probes/source.h"

namespace netpoll::probes {

// Not thread-safe. One that was not made by watch() has no targets.
class BpfTargets {
 public:
  BpfTargets() = default;
  // Either processes or cgroups are targets. Fails with kInvalid when it is both or neither, as ProcessWatches::open()
  // when a process is not there, and as check_countable().
  static Result<BpfTargets> watch(std::span<const Target> processes, std::span<const std::string> cgroups);

  // None with cgroups.
  const std::vector<Target>& processes() const { return processes_; }
  bool cgroups() const { return !cgroups_.empty(); }
  bool several() const { return processes_.size() > 1; }
  bool follow_forks() const { return !processes_.empty() && processes_.front().follow_forks; }
  bool held() const { return !processes_.empty() && processes_.front().held; }
  // The walk over threads that finds all targets: one process, or 0.
  pid_t scope() const { return cgroups() || several() || follow_forks() ? 0 : processes_.front().pid; }

  // As ProcessWatches::wait(); never false with cgroups, which may be without processes and get some.
  Result<bool> wait(int timeout_ms, int stop_fd);

  // "attach to pid 7: ".
  Error within(Error error) const;

 private:
  std::vector<Target> processes_;
  std::vector<std::string> cgroups_;
  ProcessWatches watches_;
};

// The executable of a target, and what tells it from others.
struct TargetFile {
  std::string path;
  std::pair<dev_t, ino_t> id;
};
// Nothing where it cannot be seen. A process that runs is asked for its file through /proc, which also finds it in
// another mount namespace or deleted.
std::optional<TargetFile> file_of(const Target& target);

}  // namespace netpoll::probes
