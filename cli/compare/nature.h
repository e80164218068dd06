// Nature: which figures belong to the program, and which to the timing of the run that measured them.
#pragma once

#include <string_view>

#include "exporters/json_fwd.h"

namespace netpoll::cli {

// Two runs of one binary agree in the first, never in the last. How long a server takes over a request decides how many
// answers one epoll_wait brings; how many descriptors it registers is in its text.
enum class Nature {
  kExact,   // registrations, connections, bytes, data calls that moved data: equal in every run of fixed work
  kLoose,   // the program's as well, but a few calls depend on timing: wake-ups through a pipe, a rearm per park
  kTiming,  // waits, parks, futex, attempts that ended in EAGAIN, times
};

// What else decides about a figure: the document it stands in.
struct Surroundings {
  bool fixed_work = true;  // run --ops, stat -- CMD: the work ends by itself. A window of time is all timing.
  bool runtime = false;    // a goroutine runtime, which wakes its poller by write and read
  bool rearms = false;     // interest is armed again for each park (oneshot, level)

  static Surroundings of(const exporters::Json& document);
};

// The nature of the figure at path ("syscalls.epoll_ctl.per_op"). Knows nothing of EAGAIN: figures.h splits calls.
Nature nature_of(std::string_view path, const Surroundings& surroundings);

// Whether the errno counts attempts that come and go with timing (EAGAIN, EINTR, ETIMEDOUT, the kernel's restarts).
bool is_timing_errno(std::string_view name);

}  // namespace netpoll::cli
