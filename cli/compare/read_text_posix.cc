// Reads text files, also those whose size nobody knows before their end.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "cli/compare/input.h"
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
  Fd file;
  int fd = STDIN_FILENO;
  const auto failed = [&](int err) {
    std::array<char, 128> reason{};
    return invalid("cannot read " + path + ": " + ::strerror_r(err, reason.data(), reason.size()),
                   err == EISDIR ? "name a file inside it" : hint);
  };
  if (path != "-") {
    file.reset(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY));
    if (!file.valid()) return failed(errno);
    fd = file.get();
  }
  const auto too_large = [&] {
    return invalid(path + " is larger than " + std::to_string(kLargestFile >> 20U) + " MiB", hint);
  };
  // What says its size is not read to find out.
  struct stat status {};
  if (::fstat(fd, &status) == 0 && S_ISREG(status.st_mode)) {
    if (static_cast<std::uint64_t>(status.st_size) > kLargestFile) return too_large();
    // And a little more: some parsers want to read on behind the end.
    text.reserve(static_cast<std::size_t>(status.st_size) + 256);
  }
  std::array<char, 65536> buffer{};
  for (;;) {
    const ssize_t n = ::read(fd, buffer.data(), buffer.size());
    if (n == 0) return {};
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return failed(errno);
    text.append(buffer.data(), static_cast<std::size_t>(n));
    if (text.size() > kLargestFile) return too_large();
  }
}

}  // namespace netpoll::cli
