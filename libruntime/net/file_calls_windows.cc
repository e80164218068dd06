// CreateFile by the flags of open(2), writes, and the size of a file.
#include "libruntime/net/file_calls.h"

#include <windows.h>

#include <fcntl.h>

#include "libruntime/base/wide.h"
#include "libruntime/base/winsock_error.h"
#include "libruntime/net/sys.h"

namespace netpoll::net {

long open_file(const std::string& path, int flags, mode_t) {
  DWORD access = GENERIC_READ;
  if ((flags & O_ACCMODE) == O_WRONLY) access = GENERIC_WRITE;
  if ((flags & O_ACCMODE) == O_RDWR) access = GENERIC_READ | GENERIC_WRITE;
  if ((flags & O_APPEND) != 0) access = (access & ~DWORD{GENERIC_WRITE}) | FILE_APPEND_DATA;
  DWORD how = (flags & O_TRUNC) != 0 ? TRUNCATE_EXISTING : OPEN_EXISTING;
  if ((flags & O_CREAT) != 0) how = (flags & O_TRUNC) != 0 ? CREATE_ALWAYS : OPEN_ALWAYS;
  if ((flags & O_CREAT) != 0 && (flags & O_EXCL) != 0) how = CREATE_NEW;
  const HANDLE file =
      CreateFileW(base::widen(path).c_str(), access, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, nullptr,
                  how, FILE_ATTRIBUTE_NORMAL, nullptr);
  if (file == INVALID_HANDLE_VALUE) return -base::errno_of(GetLastError());
  return static_cast<long>(reinterpret_cast<std::intptr_t>(file));
}

long write_file(int fd, const void* data, std::size_t size, std::int64_t offset) {
  return offset < 0 ? sys(SYS_write, fd, data, size) : sys(SYS_pwrite64, fd, data, size, offset);
}

std::int64_t file_size(int fd) {
  LARGE_INTEGER size;
  if (GetFileSizeEx(reinterpret_cast<HANDLE>(static_cast<std::intptr_t>(fd)), &size) == 0) {
    return -base::errno_of(GetLastError());
  }
  return size.QuadPart;
}

}  // namespace netpoll::net
