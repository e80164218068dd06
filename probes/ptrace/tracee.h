// Tracee: what the tracer remembers of one thread. Passive data, owned by the Tracer's table.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>

#include "probes/ptrace/timed_wait.h"
#include "probes/ptrace/untraced_clone.h"

namespace netpoll::probes {

struct Tracee {
  pid_t tid = -1;
  pid_t tgid = -1;
  // We have asked it to stop, and it has not done so.
  bool interrupted = false;
  // It runs the program's own code, so that its next stop may be at the entry of a call.
  bool at_large = true;
  // False: followed only because it carries our seccomp filter.
  bool counted = true;
  // How the call that it was in has ended, if that is how interrupted calls end: we may have done it, or a signal that
  // wakes traced threads alone, and then the call goes on. Until that is known nobody is told.
  struct Ending {
    std::int64_t result;
    std::int64_t ns;
    bool undone = false;  // it goes on with the thread's next entry
  };
  std::optional<Ending> ending;
  // The call that it is in, where that has been changed.
  std::optional<UntracedClone> clone;
  // The call that it is in, or was in last.
  std::optional<TimedWait> wait;
};

}  // namespace netpoll::probes
