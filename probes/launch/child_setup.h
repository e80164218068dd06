// The child's half of launch(): what runs between fork and exec. Everything here is async-signal-safe, because the
// parent may have had other threads whose locks, the allocator's among them, stay taken for ever in the child. So the
// parent prepares all memory in a ChildPlan before it forks.
#pragma once

#include <signal.h>
#include <sys/types.h>

#include <string>
#include <vector>

#include "probes/launch/child.h"

namespace netpoll::probes {

// The step that a child failed at.
enum class SetupStep : int { kNone, kParentGone, kGroup, kDescriptors, kSeccomp, kExec };
const char* setup_step_name(SetupStep step);

// What the child writes to its status pipe: {kNone, 0} when it is set up and held, a failed step before it exits. The
// pipe closes without a second report when exec succeeds.
struct SetupReport {
  SetupStep step = SetupStep::kNone;
  int sys_errno = 0;
};

struct ChildPlan {
  explicit ChildPlan(const LaunchSpec& spec);
  ChildPlan(const ChildPlan&) = delete;  // argv and envp point into it
  ChildPlan& operator=(const ChildPlan&) = delete;

  const LaunchSpec& spec;
  std::vector<std::string> environment;
  std::vector<char*> argv;
  std::vector<char*> envp;
  std::vector<int> copies;  // of each row of spec.fds, above every target number
  std::vector<int> keep;    // descriptors above 2 that stay open, sorted
  int first_free = 0;       // a number above every target number
  pid_t parent = -1;
  sigset_t blocked{};  // of the thread that calls launch()
  int hold_fd = -1;    // one byte means exec; end of file: the parent gave up, exit
  int status_fd = -1;  // SetupReports
};

// Sets the process up, reports, waits to be resumed and executes the command.
[[noreturn]] void run_child(ChildPlan& plan);

}  // namespace netpoll::probes
