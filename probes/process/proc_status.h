// Single facts from /proc that a tracer asks for.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string_view>
#include <vector>

namespace netpoll::probes {

// The first number behind "name:" in /proc/ID/status, ID being a process or a thread: status_number(pid, "TracerPid").
std::optional<long> status_number(pid_t id, std::string_view name);

// True for a process or thread that has ended and was not reaped; of a process also when its first thread alone has
// ended.
bool is_zombie(pid_t id);

// A thread of the process through which its memory and files are reached, in /proc and by process_vm_readv(2): pid
// itself, or another that lives where the first thread has left (pthread_exit in main), which has neither any more. 0
// when none lives.
pid_t living_thread(pid_t pid);

// All processes of this machine that /proc shows, in no order.
std::vector<pid_t> process_ids();

// 0 when the process is gone, or its parent is out of sight.
pid_t parent_of(pid_t pid);

// The threads of a process; empty when it is gone.
std::vector<pid_t> thread_ids(pid_t pid);

// The CPU that a thread ran on last.
std::optional<int> last_cpu(pid_t tid);

}  // namespace netpoll::probes
