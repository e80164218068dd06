// Single facts from /proc that a tracer asks for.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string_view>
#include <vector>

namespace netpoll::probes {

// The first number behind "name:" in /proc/ID/status, ID being a process or a thread: status_number(pid, "TracerPid").
std::optional<long> status_number(pid_t id, std::string_view name);

// True for a process whose first thread has ended, whether or not others still run.
bool is_zombie(pid_t pid);

// The threads of a process; empty when it is gone.
std::vector<pid_t> thread_ids(pid_t pid);

// The CPU that a thread ran on last.
std::optional<int> last_cpu(pid_t tid);

}  // namespace netpoll::probes
