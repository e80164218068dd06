// openat(2), read(2), write(2) and fstat(2).
#include "libruntime/net/file_calls.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "libruntime/net/sigpipe.h"
#include "libruntime/net/sys.h"

namespace netpoll::net {

long open_file(const std::string& path, int flags, mode_t mode) {
  return sys(SYS_openat, AT_FDCWD, path.c_str(), flags | O_CLOEXEC, mode);
}

void look_at_file(int, FileState&) {}

long read_file(int fd, FileState&, void* buffer, std::size_t size, std::int64_t offset) {
  return offset < 0 ? sys(SYS_read, fd, buffer, size) : sys(SYS_pread64, fd, buffer, size, offset);
}

long write_file(int fd, FileState&, const void* data, std::size_t size, std::int64_t offset) {
  return without_sigpipe(fd, size, [&] {
    return offset < 0 ? sys(SYS_write, fd, data, size) : sys(SYS_pwrite64, fd, data, size, offset);
  });
}

std::int64_t file_size(int fd) {
  struct stat status {};
  const long result = sys(SYS_fstat, fd, &status);
  return result < 0 ? result : static_cast<std::int64_t>(status.st_size);
}

}  // namespace netpoll::net
