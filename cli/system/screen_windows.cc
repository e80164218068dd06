// Asks the console.
#include "cli/system/screen.h"

#include <io.h>
#include <windows.h>

namespace netpoll::cli {

std::optional<Screen> screen_of(int fd) {
  CONSOLE_SCREEN_BUFFER_INFO info{};
  if (GetConsoleScreenBufferInfo(reinterpret_cast<HANDLE>(_get_osfhandle(fd)), &info) == 0) return std::nullopt;
  return Screen{.columns = static_cast<std::size_t>(info.srWindow.Right - info.srWindow.Left + 1),
                .rows = static_cast<std::size_t>(info.srWindow.Bottom - info.srWindow.Top + 1)};
}

}  // namespace netpoll::cli
