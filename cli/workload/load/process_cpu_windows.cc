// Asks Windows for the times of a process.
#include "cli/workload/load/process_cpu.h"

#include <windows.h>

namespace netpoll::workload {
namespace {

// A FILETIME counts 100 ns.
std::int64_t ns_of(const FILETIME& time) {
  return ((static_cast<std::int64_t>(time.dwHighDateTime) << 32) | static_cast<std::int64_t>(time.dwLowDateTime)) * 100;
}

}  // namespace

std::optional<std::int64_t> process_cpu_ns(int pid) {
  if (pid <= 0) return std::nullopt;
  const HANDLE process = OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION, FALSE, static_cast<DWORD>(pid));
  if (process == nullptr) return std::nullopt;
  FILETIME created{};
  FILETIME ended{};
  FILETIME kernel{};
  FILETIME user{};
  const bool known = GetProcessTimes(process, &created, &ended, &kernel, &user) != 0;
  CloseHandle(process);
  if (!known) return std::nullopt;
  return ns_of(kernel) + ns_of(user);
}

}  // namespace netpoll::workload
