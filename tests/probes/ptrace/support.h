// What the tests of the ptrace back end share.
#pragma once

#include <signal.h>
#include <sys/wait.h>

#include <cstdlib>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "probes/ptrace/ptrace_source.h"
#include "tests/probes/counted_run.h"
#include "tests/probes/truth.h"
#include "tests/probes/wait_for_end.h"
#include "tests/support/catch.h"
#include "tests/support/eventually.h"
#include "tests/support/prey.h"
#include "tests/support/skip.h"

namespace netpoll::test {

inline constexpr const char* kCalls = NETPOLL_KNOWN_CALLS;
inline constexpr const char* kTraced = NETPOLL_TRACED;
inline const std::vector<std::string> kNoDifference;

inline const probes::SyscallCounts& row_of(const probes::Counts& counts, probes::Syscall syscall) {
  return counts.syscalls[static_cast<std::size_t>(syscall)];
}

// The N of a line "name N" in a program's output; -1 when there is none.
inline long number_after(const std::string& output, const std::string& name) {
  const auto at = ("\n" + output).find("\n" + name + " ");
  return at == std::string::npos ? -1 : std::strtol(output.c_str() + at + name.size() + 1, nullptr, 10);
}

// The letter of a process's state: R, S, T (stopped), t (stopped by its tracer), Z; 0 when there is no such process.
inline char state_of(pid_t pid) {
  std::string line;
  std::getline(std::ifstream("/proc/" + std::to_string(pid) + "/stat"), line);
  const auto end = line.rfind(')');
  return end == std::string::npos || end + 2 >= line.size() ? '\0' : line[end + 2];
}

}  // namespace netpoll::test
