// Processes of this machine by number and name, from /proc.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace netpoll::cli {

// The process that a thread belongs to; of a process itself.
pid_t process_of_thread(pid_t tid);

bool process_exists(pid_t pid);  // a zombie without a living thread does not count

// The file that a shell would execute for name: itself when it contains a slash, else the first in PATH. Empty when
// there is none.
std::string find_program(const std::string& name);

// Ascending, without ourselves.
std::vector<pid_t> processes();
std::vector<pid_t> processes_named(const std::string& comm);
// Every name once, sorted.
std::vector<std::string> process_names();

}  // namespace netpoll::cli
