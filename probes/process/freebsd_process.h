// What FreeBSD's kernel says of a process by its number (sysctl(3), CTL_KERN, KERN_PROC).
#pragma once

#include <sys/types.h>
// Behind it.
#include <sys/user.h>

#include <optional>

namespace netpoll::probes {

// Nothing where there is no such process, or we may not see it (security.bsd.see_other_uids), and for one that ended
// and waits for its parent.
std::optional<kinfo_proc> living_process(pid_t pid);

}  // namespace netpoll::probes
