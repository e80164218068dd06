// CallObserver: who is told what the threads of a Tracer do.
#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>

#include "probes/ptrace/tracee.h"

namespace netpoll::probes {

using CallArgs = std::array<std::uint64_t, 6>;

// The tracer's thread makes all these calls while the thread in question stands still, so its memory can be read. Times
// are of CLOCK_MONOTONIC, 0 where the Tracer was not asked for them.
class CallObserver {
 public:
  virtual ~CallObserver() = default;

  // A thread enters a call. Returns whether its end is of interest.
  virtual bool enter(const Tracee& tracee, long number, const CallArgs& args) = 0;
  // When we attached the thread was in this call. Returns as enter().
  virtual bool enter_before(const Tracee& tracee, long number, const CallArgs& args, std::int64_t now_ns) = 0;
  // The same of the 32-bit interface, whose end nobody hears of.
  virtual void enter_foreign(const Tracee& tracee) = 0;
  // The thread is let go into the call that it entered, as late as this can be said.
  virtual void started(pid_t tid, std::int64_t now_ns) = 0;
  // It returned, at now_ns. result may be one of the kernel's own errors (kernel_errors.h), which the program never
  // sees: then a handler of the program runs, or the process stops, and the call is entered again or ends in EINTR.
  virtual void leave(const Tracee& tracee, std::int64_t result, std::int64_t now_ns) = 0;
  // The thread has ended or executes a program: a call that it is in will not return.
  virtual void forget(pid_t tid, std::int64_t now_ns) = 0;

  virtual void executed(const Tracee& tracee, std::int64_t now_ns) {
    static_cast<void>(tracee), static_cast<void>(now_ns);
  }
  virtual void forked(const Tracee& tracee, pid_t child, std::int64_t now_ns) {
    static_cast<void>(tracee), static_cast<void>(child), static_cast<void>(now_ns);
  }
  // Its last thread has ended.
  virtual void exited(const Tracee& last, std::int64_t now_ns) { static_cast<void>(last), static_cast<void>(now_ns); }
};

}  // namespace netpoll::probes
