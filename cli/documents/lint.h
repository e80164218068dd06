// The document of `lint`: what processes do wrong with their pollers, rule by rule.
#pragma once

#include <string>
#include <vector>

#include "cli/documents/epoll.h"
#include "exporters/json_fwd.h"
#include "netpoll/trace/goroutine.h"

namespace netpoll::cli {

// The goroutines of one process, where it has any.
struct LintedRuntime {
  pid_t pid = -1;
  trace::GoroutineSnapshot snapshot;
  std::vector<std::uint64_t> unwatched;  // goids of those that wait for a descriptor that the poller has lost
};

// The goroutines that wait for a descriptor that is not registered with their runtime's instance. sets were read after
// the snapshot. One may have gone on meanwhile: look several times.
std::vector<const trace::Goroutine*> find_unwatched(const trace::GoroutineSnapshot& snapshot, pid_t pid,
                                                    const std::vector<probes::InterestSet>& sets);

// errors_only: findings of level "warning" are left out. notes: what could not be looked at, and why.
exporters::Json lint_document(const EpollView& view, const std::vector<LintedRuntime>& runtimes,
                              std::vector<std::string> notes, bool errors_only);

}  // namespace netpoll::cli
