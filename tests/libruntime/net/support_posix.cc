// Descriptors as a program has them that knows nothing of netpoll.
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "tests/libruntime/net/support.h"

namespace netpoll::test {

std::pair<Fd, Fd> blocking_pipe(Checks& checks) {
  int fds[2] = {-1, -1};
  EXPECT_EQUAL(checks, ::pipe2(fds, O_CLOEXEC), 0);
  return {Fd(fds[0]), Fd(fds[1])};
}

bool is_open(int fd) { return fcntl(fd, F_GETFD) >= 0; }

Fd open_from_outside(Checks& checks, const std::string& path) {
  Fd file(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  EXPECT_THAT(checks, file.valid());
  return file;
}

bool write_from_outside(int fd, std::string_view text) {
  ssize_t written;
  do {
    written = ::write(fd, text.data(), text.size());
  } while (written < 0 && errno == EINTR);
  return written == static_cast<ssize_t>(text.size());
}

std::optional<std::string> read_from_outside(int fd) {
  std::string text(64, '\0');
  const ssize_t n = ::read(fd, text.data(), text.size());
  if (n < 0) return std::nullopt;
  return text.substr(0, static_cast<std::size_t>(n));
}

}  // namespace netpoll::test
