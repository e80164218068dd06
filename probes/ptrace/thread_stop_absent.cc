// Where nobody stops the threads of another process for us.
#include "probes/ptrace/thread_stop.h"

namespace netpoll::probes {

Result<ThreadStop> ThreadStop::stop(pid_t /*pid*/) {
  return Error(ErrorKind::kNotSupported, "a target cannot be stopped on this system")
      .with_hint("without --pause it is read as it runs");
}

ThreadStop::ThreadStop(ThreadStop&& other) noexcept : pid_(other.pid_) {}

std::int64_t ThreadStop::release() { return 0; }

}  // namespace netpoll::probes
