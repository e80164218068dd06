// read_registrations: what the kernel knows of another process's epoll instance.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <set>
#include <utility>

namespace netpoll::probes {

// Descriptor and event data word of everything that is registered with process pid's epoll instance epfd, from
// /proc/PID/fdinfo (proc(5); fs/eventpoll.c, ep_show_fdinfo). One number may stand for two files, the first of which
// was closed here and is open elsewhere. Empty where it cannot be read, or where epfd is no epoll instance. One call
// shows one moment: the kernel writes the list under the instance's lock.
std::set<std::pair<int, std::uint64_t>> read_registrations(pid_t pid, int epfd);

}  // namespace netpoll::probes
