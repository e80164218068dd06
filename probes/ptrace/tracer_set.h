// TracerSet: the tracers of all targets of one source.
#pragma once

#include <sys/types.h>

#include <map>
#include <memory>
#include <span>

#include "netpoll/result.h"
#include "probes/launch/exit_relay.h"
#include "probes/ptrace/tracer.h"
#include "probes/source.h"

namespace netpoll::probes {

// Not thread-safe; its tracers run on threads of their own.
class TracerSet {
 public:
  // Of a child that is to be launched and traced; not needed for running processes. One that may not outlive its source
  // stops at these calls alone (make_seccomp_filter()).
  void prepare(LaunchSpec& spec, std::span<const unsigned> numbers);
  // Whether the child does. Under the filter nothing may run untraced.
  bool filtered() const { return filtered_; }
  // Traces one of the targets; the others are left to their own tracers. observer outlives clear().
  Result<void> add(const Target& target, std::span<const Target> targets, CallObserver& observer, bool timed);
  // Waits until timeout_ms have passed, stop_fd is readable, or all have ended; false for the last.
  Result<bool> wait(int timeout_ms, int stop_fd);
  // Of a target that was added: processes that are observed and have not ended.
  std::uint64_t processes(pid_t target) const { return tracers_.at(target)->processes(); }
  // Leaves all targets.
  void clear() { tracers_.clear(); }

  bool empty() const { return tracers_.empty(); }
  bool launched() const { return relay_ != nullptr; }

 private:
  std::shared_ptr<ExitRelay> relay_;
  std::map<pid_t, std::unique_ptr<Tracer>> tracers_;  // of each target
  bool filtered_ = false;
  bool gone_ = false;
};

}  // namespace netpoll::probes
