// Reads by handles.
#include "cli/system/input_file.h"

#include <windows.h>

#include "libruntime/base/wide.h"
#include "libruntime/base/winsock_error.h"

namespace netpoll::cli {

int InputFile::open(const std::string& path) {
  const HANDLE handle =
      CreateFileW(base::widen(path).c_str(), GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE,
                  nullptr, OPEN_EXISTING, FILE_ATTRIBUTE_NORMAL, nullptr);
  if (handle == INVALID_HANDLE_VALUE) return base::errno_of(GetLastError());
  stream_ = reinterpret_cast<std::intptr_t>(handle);
  file_.reset(static_cast<int>(stream_));
  return 0;
}

void InputFile::open_standard_input() { stream_ = reinterpret_cast<std::intptr_t>(GetStdHandle(STD_INPUT_HANDLE)); }

std::optional<std::uint64_t> InputFile::size() const { return std::nullopt; }

std::int64_t InputFile::read(std::span<char> buffer) {
  DWORD count = 0;
  if (ReadFile(reinterpret_cast<HANDLE>(stream_), buffer.data(), static_cast<DWORD>(buffer.size()), &count, nullptr)) {
    return count;
  }
  const DWORD error = GetLastError();
  return error == ERROR_BROKEN_PIPE ? 0 : -base::errno_of(error);  // the end of a pipe is one
}

}  // namespace netpoll::cli
