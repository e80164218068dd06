// Asks libproc.
#include <libproc.h>

#include <array>
#include <cerrno>

#include "probes/process/memory.h"
#include "probes/process/program.h"

namespace netpoll::probes {

Result<Program> program_of(pid_t pid) {
  std::array<char, PROC_PIDPATHINFO_MAXSIZE> path;
  const int length = proc_pidpath(pid, path.data(), path.size());
  // Of a file that is gone there is no path.
  if (length <= 0) return errno == ESRCH ? Result<Program>(process_error(pid, ESRCH)) : Program{};
  Program program{.path = std::string(path.data(), static_cast<std::size_t>(length)), .comm = ""};
  program.comm = program.path.substr(program.path.find_last_of('/') + 1);
  return program;
}

}  // namespace netpoll::probes
