// Opens without waiting for what is no regular file, and reads by pread(2).
#include "probes/process/regular_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace netpoll::probes {

Result<RegularFile> RegularFile::open(const std::string& path) {
  Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd.valid()) return posix_error("open " + path, errno);
  return of(std::move(fd), path);
}

Result<RegularFile> RegularFile::of(Fd fd, const std::string& path) {
  struct stat status {};
  if (fstat(fd.get(), &status) != 0) return posix_error("stat " + path, errno);
  if (!S_ISREG(status.st_mode)) return Error(ErrorKind::kProtocol, path + " is not a regular file");
  return RegularFile(std::move(fd), status);
}

std::size_t RegularFile::read_some(std::uint64_t offset, void* into, std::size_t size) const {
  if (offset > INT64_MAX || size > INT64_MAX - offset) return 0;
  auto* to = static_cast<std::byte*>(into);
  std::size_t done = 0;
  while (done < size) {
    const ssize_t n = pread(fd_.get(), to + done, size - done, static_cast<off_t>(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    done += static_cast<std::size_t>(n);
  }
  return done;
}

bool RegularFile::read(std::uint64_t offset, void* into, std::uint64_t size) const {
  return read_some(offset, into, size) == size;
}

}  // namespace netpoll::probes
