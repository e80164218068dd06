// Asks the terminal driver.
#include <sys/ioctl.h>

#include "cli/system/screen.h"

namespace netpoll::cli {

std::optional<Screen> screen_of(int fd) {
  winsize size{};
  if (::ioctl(fd, TIOCGWINSZ, &size) != 0) return std::nullopt;
  return Screen{.columns = size.ws_col, .rows = size.ws_row};
}

}  // namespace netpoll::cli
