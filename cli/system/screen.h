// Screen: how large the terminal is that a descriptor leads to. One file a system: screen_posix.cc, screen_windows.cc.
#pragma once

#include <cstddef>
#include <optional>

namespace netpoll::cli {

struct Screen {
  std::size_t columns = 0;
  std::size_t rows = 0;
};
// Nothing where fd is no terminal.
std::optional<Screen> screen_of(int fd);

}  // namespace netpoll::cli
