// Where nobody stops the threads of another process for us.
#include "probes/ptrace/thread_stop.h"

namespace netpoll::probes {

struct ThreadStop::Held {};

ThreadStop::ThreadStop(ThreadStop&&) noexcept = default;
ThreadStop::~ThreadStop() = default;

Result<ThreadStop> ThreadStop::stop(pid_t /*pid*/) {
  return Error(ErrorKind::kNotSupported, "a target cannot be stopped on this system")
      .with_hint("without --pause it is read as it runs");
}

std::int64_t ThreadStop::release() { return 0; }

}  // namespace netpoll::probes
