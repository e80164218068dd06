// Reads by open(2) and read(2).
#include "cli/system/input_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace netpoll::cli {

int InputFile::open(const std::string& path) {
  file_.reset(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY));
  if (!file_.valid()) return errno;
  stream_ = file_.get();
  return 0;
}

void InputFile::open_standard_input() { stream_ = STDIN_FILENO; }

std::optional<std::uint64_t> InputFile::size() const {
  struct stat status {};
  if (::fstat(static_cast<int>(stream_), &status) != 0 || !S_ISREG(status.st_mode)) return std::nullopt;
  return static_cast<std::uint64_t>(status.st_size);
}

std::int64_t InputFile::read(std::span<char> buffer) {
  for (;;) {
    const ssize_t n = ::read(static_cast<int>(stream_), buffer.data(), buffer.size());
    if (n >= 0) return n;
    if (errno != EINTR) return -errno;
  }
}

}  // namespace netpoll::cli
