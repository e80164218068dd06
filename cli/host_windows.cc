// Asks Windows for its version, which GetVersionEx would understate to programs without a manifest.
#include <windows.h>

#include "cli/host.h"

namespace netpoll::cli {

Host this_host() {
  using GetVersion = LONG(WINAPI*)(OSVERSIONINFOW*);
  Host host;
  host.system = "Windows";
  OSVERSIONINFOW version{};
  version.dwOSVersionInfoSize = sizeof version;
  void* const found = reinterpret_cast<void*>(GetProcAddress(GetModuleHandleW(L"ntdll.dll"), "RtlGetVersion"));
  if (found != nullptr && reinterpret_cast<GetVersion>(found)(&version) == 0) {
    host.kernel = std::to_string(version.dwMajorVersion) + "." + std::to_string(version.dwMinorVersion) + "." +
                  std::to_string(version.dwBuildNumber);
  }
  host.arch = "x86_64";
  host.cpus = static_cast<long>(GetActiveProcessorCount(ALL_PROCESSOR_GROUPS));
  return host;
}

}  // namespace netpoll::cli
