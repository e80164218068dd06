// Asks by KERN_PROC_PID and KERN_PROC_PATHNAME.
#include <sys/types.h>
// Behind it.
#include <sys/sysctl.h>

#include <array>
#include <cerrno>
#include <climits>

#include "probes/process/freebsd_process.h"
#include "probes/process/memory.h"
#include "probes/process/program.h"

namespace netpoll::probes {

Result<Program> program_of(pid_t pid) {
  const auto process = living_process(pid);
  if (!process) return process_error(pid, ESRCH);
  Program program{.path = "", .comm = process->ki_comm};
  const std::array<int, 4> name = {CTL_KERN, KERN_PROC, KERN_PROC_PATHNAME, pid};
  std::array<char, PATH_MAX> path{};
  std::size_t size = path.size();
  // ENOENT for a file that is gone.
  if (sysctl(name.data(), name.size(), path.data(), &size, nullptr, 0) == 0) program.path = path.data();
  return program;
}

}  // namespace netpoll::probes
