// read_registrations: what the kernel knows of another process's epoll instance.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <unordered_map>

namespace netpoll::probes::rtproc {

// The event data word of every registered descriptor of process pid's epoll instance epfd, from /proc/PID/fdinfo
// (proc(5); fs/eventpoll.c, ep_show_fdinfo). Empty where that cannot be read, or where epfd is no epoll instance. One
// call shows one moment: the kernel writes the list under the instance's lock.
std::unordered_map<int, std::uint64_t> read_registrations(pid_t pid, int epfd);

}  // namespace netpoll::probes::rtproc
