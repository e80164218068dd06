// openat(2) and statx(2).
#include "libruntime/net/file_calls.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "libruntime/net/sys.h"

namespace netpoll::net {

long open_file(const std::string& path, int flags, mode_t mode) {
  return sys(SYS_openat, AT_FDCWD, path.c_str(), flags | O_CLOEXEC, mode);
}

std::int64_t file_size(int fd) {
  struct statx status {};
  const long result = sys(SYS_statx, fd, "", AT_EMPTY_PATH, STATX_SIZE, &status);
  return result < 0 ? result : static_cast<std::int64_t>(status.stx_size);
}

}  // namespace netpoll::net
