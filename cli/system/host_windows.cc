// Asks Windows for its version, which GetVersionEx would understate to programs without a manifest.
#include <windows.h>
// Behind it.
#include <shellapi.h>

#include "cli/system/host.h"
#include "libruntime/base/wide.h"

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

// The C library's argv has lost what the code page of the system cannot say.
std::vector<std::string> program_arguments(int, char**) {
  int count = 0;
  wchar_t** const words = CommandLineToArgvW(GetCommandLineW(), &count);
  std::vector<std::string> arguments;
  for (int i = 0; i < count; ++i) arguments.push_back(base::narrow(words[i]));
  LocalFree(words);
  return arguments;
}

std::optional<std::string> environment_variable(const std::string& name) {
  const std::wstring wide = base::widen(name);
  std::wstring text;
  for (DWORD size = 256;;) {
    text.resize(size);
    SetLastError(ERROR_SUCCESS);  // which an empty value leaves
    size = GetEnvironmentVariableW(wide.c_str(), text.data(), size);
    if (size == 0 && GetLastError() == ERROR_ENVVAR_NOT_FOUND) return std::nullopt;
    if (size < text.size()) return base::narrow({text.data(), size});
    // It is what would have been enough, unless somebody sets it meanwhile.
  }
}

// None for all users: in %ProgramData% each of them may put what then acts for the others.
std::vector<std::string> configuration_folders() {
  const auto own = environment_variable("APPDATA");
  return own ? std::vector<std::string>{*own} : std::vector<std::string>{};
}

std::string_view null_device() { return "NUL"; }

// The C runtime never gives these numbers to a file.
void reserve_standard_streams() {}

}  // namespace netpoll::cli
