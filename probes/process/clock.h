// The target's CLOCK_MONOTONIC, which differs from ours when it lives in another time namespace (time_namespaces(7)).
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <istream>

namespace netpoll::probes {

// Now, in ns of the target's CLOCK_MONOTONIC.
std::int64_t target_monotonic_now(pid_t pid);

// The offset of the monotonic clock in the text of /proc/PID/timens_offsets; 0 when it names none.
std::int64_t monotonic_offset(std::istream& timens_offsets);

}  // namespace netpoll::probes
