// What Windows says of a process by its number.
#pragma once

#include <sys/types.h>

#include <string>

namespace netpoll::probes {

// What an error of a call that names a process means: ESRCH, EPERM, or EIO for all else.
int errno_of_process(unsigned long windows_error);

// The path of its program; empty where there is no such process, or we may not ask.
std::string executable_of(pid_t pid);

}  // namespace netpoll::probes
