// Program: what a process runs, as the system tells it where there is no Linux's /proc.
#pragma once

#include <sys/types.h>

#include <string>

#include "netpoll/result.h"

namespace netpoll::probes {

// Empty: it is not told.
struct Program {
  std::string path;  // of the executable
  std::string comm;  // its name alone
};

// kNotFound: there is no such process. Not in what is built for Linux: one file a system, program_windows.cc,
// program_macos.cc, program_freebsd.cc.
Result<Program> program_of(pid_t pid);

}  // namespace netpoll::probes
