// Asks the kernel for the path of the image.
#include <windows.h>

#include <array>
#include <cerrno>

#include "libruntime/base/wide.h"
#include "probes/process/memory.h"
#include "probes/process/program.h"
#include "probes/process/windows_process.h"

namespace netpoll::probes {

Result<Program> program_of(pid_t pid) {
  const HANDLE process = OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION, FALSE, static_cast<DWORD>(pid));
  if (process == nullptr) {
    const int error = errno_of_process(GetLastError());
    return error == ESRCH ? Result<Program>(process_error(pid, error)) : Program{};
  }
  std::array<wchar_t, 32768> path;  // the longest that there is
  DWORD length = path.size();
  const BOOL found = QueryFullProcessImageNameW(process, 0, path.data(), &length);
  CloseHandle(process);
  if (found == FALSE) return Program{};
  Program program{.path = base::narrow({path.data(), length}), .comm = ""};
  program.comm = program.path.substr(program.path.find_last_of("\\/") + 1);
  return program;
}

}  // namespace netpoll::probes
