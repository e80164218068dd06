// Tracee: what the tracer remembers of one thread. Passive data, owned by the Tracer's table.
#pragma once

#include <sys/types.h>

namespace netpoll::probes {

struct Tracee {
  pid_t tid = -1;
  pid_t tgid = -1;
  // Attached while it ran, and not yet stopped for the first time.
  bool interrupted = false;
  // False: followed only because it carries our seccomp filter.
  bool counted = true;
};

}  // namespace netpoll::probes
