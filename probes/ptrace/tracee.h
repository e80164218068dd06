// Tracee: what the tracer remembers of one thread. Passive data, owned by the Tracer's table.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>

namespace netpoll::probes {

struct Tracee {
  pid_t tid = -1;
  pid_t tgid = -1;
  // Attached while it ran, and not yet stopped for the first time.
  bool interrupted = false;
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
};

}  // namespace netpoll::probes
