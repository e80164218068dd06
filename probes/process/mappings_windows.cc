// The images of a process, as the loader lists them (Toolhelp32): each is one mapping of a file.
#include <windows.h>
// Behind it.
#include <tlhelp32.h>

#include <algorithm>

#include "libruntime/base/wide.h"
#include "probes/process/mappings.h"
#include "probes/process/memory.h"
#include "probes/process/windows_process.h"

namespace netpoll::probes {
namespace {

// While the loader changes its list there is none to be had (CreateToolhelp32Snapshot: ERROR_BAD_LENGTH).
HANDLE modules_of(pid_t pid) {
  constexpr int kTries = 100;
  for (int i = 0;; ++i) {
    const HANDLE modules = CreateToolhelp32Snapshot(TH32CS_SNAPMODULE, static_cast<DWORD>(pid));
    if (modules != INVALID_HANDLE_VALUE || GetLastError() != ERROR_BAD_LENGTH || i == kTries) return modules;
    Sleep(1);
  }
}

}  // namespace

Result<std::vector<Mapping>> read_mappings(pid_t pid) {
  const HANDLE modules = modules_of(pid);
  if (modules == INVALID_HANDLE_VALUE) return process_error(pid, errno_of_process(GetLastError()));
  std::vector<Mapping> mappings;
  MODULEENTRY32W module{};
  module.dwSize = sizeof module;
  for (BOOL more = Module32FirstW(modules, &module); more != FALSE; more = Module32NextW(modules, &module)) {
    const auto start = reinterpret_cast<std::uint64_t>(module.modBaseAddr);
    mappings.push_back({.start = start, .end = start + module.modBaseSize, .path = base::narrow(module.szExePath)});
  }
  CloseHandle(modules);
  std::sort(mappings.begin(), mappings.end(), [](const Mapping& a, const Mapping& b) { return a.start < b.start; });
  return mappings;
}

}  // namespace netpoll::probes
