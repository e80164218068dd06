// Asks by KERN_PROC_PID.
#include "probes/process/freebsd_process.h"

#include <sys/sysctl.h>

#include <array>

namespace netpoll::probes {

std::optional<kinfo_proc> living_process(pid_t pid) {
  const std::array<int, 4> name = {CTL_KERN, KERN_PROC, KERN_PROC_PID, pid};
  kinfo_proc process{};
  std::size_t size = sizeof process;
  if (sysctl(name.data(), name.size(), &process, &size, nullptr, 0) != 0 || size != sizeof process) return std::nullopt;
  return process.ki_stat == SZOMB ? std::nullopt : std::optional(process);
}

}  // namespace netpoll::probes
