// Reads text files by their handles.
#include <windows.h>

#include <array>

#include "cli/compare/input.h"
#include "libruntime/base/system.h"
#include "libruntime/base/winsock_error.h"
#include "netpoll/fd.h"

namespace netpoll::cli {
namespace {

// More than any honest result, less than what hurts: a result has some 20 kB.
constexpr std::size_t kLargestFile = 256U << 20U;

Error invalid(std::string message, std::string hint) {
  return Error(ErrorKind::kInvalid, std::move(message)).with_hint(std::move(hint));
}

}  // namespace

Result<void> read_text(const std::string& path, const std::string& hint, std::string& text) {
  text.clear();
  const auto failed = [&](DWORD error) {
    return invalid("cannot read " + path + ": " + base::errno_text(base::errno_of(error)), hint);
  };
  Fd file;
  HANDLE handle = GetStdHandle(STD_INPUT_HANDLE);
  if (path != "-") {
    handle = CreateFileA(path.c_str(), GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, nullptr,
                         OPEN_EXISTING, FILE_ATTRIBUTE_NORMAL, nullptr);
    if (handle == INVALID_HANDLE_VALUE) return failed(GetLastError());
    file.reset(static_cast<int>(reinterpret_cast<std::intptr_t>(handle)));
  }
  std::array<char, 65536> buffer{};
  for (;;) {
    DWORD count = 0;
    if (ReadFile(handle, buffer.data(), buffer.size(), &count, nullptr) == 0) {
      const DWORD error = GetLastError();
      if (error == ERROR_BROKEN_PIPE) return {};  // the end of a pipe
      return failed(error);
    }
    if (count == 0) return {};
    text.append(buffer.data(), count);
    if (text.size() > kLargestFile) {
      return invalid(path + " is larger than " + std::to_string(kLargestFile >> 20U) + " MiB", hint);
    }
  }
}

}  // namespace netpoll::cli
