// line.h: writing one line of the protocol.
#pragma once

#include <unistd.h>

#include <cerrno>
#include <string>

namespace netpoll::workload {

// Writes text and a newline to fd in one piece; a reader that is gone is ignored. Not for goroutines (errno).
inline void write_line(int fd, std::string text) {
  text.push_back('\n');
  std::size_t done = 0;
  while (done < text.size()) {
    const ssize_t n = ::write(fd, text.data() + done, text.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return;
    done += static_cast<std::size_t>(n);
  }
}

}  // namespace netpoll::workload
