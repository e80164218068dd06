// Asks the kernel.
#include "probes/process/windows_process.h"

#include <windows.h>

#include <array>
#include <cerrno>

#include "libruntime/base/wide.h"

namespace netpoll::probes {

int errno_of_process(unsigned long windows_error) {
  if (windows_error == ERROR_ACCESS_DENIED) return EPERM;
  return windows_error == ERROR_INVALID_PARAMETER ? ESRCH : EIO;
}

std::string executable_of(pid_t pid) {
  const HANDLE process = OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION, FALSE, static_cast<DWORD>(pid));
  if (process == nullptr) return {};
  std::array<wchar_t, 32768> path;  // the longest that there is
  DWORD length = path.size();
  const BOOL found = QueryFullProcessImageNameW(process, 0, path.data(), &length);
  CloseHandle(process);
  return found != FALSE ? base::narrow({path.data(), length}) : std::string();
}

}  // namespace netpoll::probes
