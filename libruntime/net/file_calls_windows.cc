// Files, pipes and devices by handle. What File opens is opened for overlapped calls, since only those can say where in
// a file they go without moving its position, and only those of a pipe's two directions do not wait for each other. The
// position is then kept here. What is adopted may be the other kind, whose position the system keeps: other processes
// may share it.
#include "libruntime/net/file_calls.h"

#include <windows.h>

#include <fcntl.h>

#include <cerrno>

#include "libruntime/base/wide.h"
#include "libruntime/base/winsock_error.h"
#include "libruntime/net/handle_windows.h"

namespace netpoll::net {
namespace {

// As an offset of an overlapped write: the end of the file, wherever that is then (WriteFile).
constexpr std::int64_t kEnd = -1;

HANDLE handle_of(int fd) { return reinterpret_cast<HANDLE>(static_cast<std::intptr_t>(fd)); }

// A ReadFile or WriteFile that has yet to be told where.
struct Call {
  HANDLE file;
  void* into;        // of a read
  const void* from;  // of a write, else null
  DWORD size;

  bool start(DWORD* count, OVERLAPPED* where) const {
    return (from != nullptr ? WriteFile(file, from, size, count, where) : ReadFile(file, into, size, count, where)) !=
           FALSE;
  }

  long result(bool succeeded, DWORD count) const {
    if (succeeded) return static_cast<long>(count);
    const DWORD error = GetLastError();
    if (from == nullptr && (error == ERROR_HANDLE_EOF || error == ERROR_BROKEN_PIPE)) return 0;
    if (from == nullptr && error == ERROR_MORE_DATA) return static_cast<long>(count);  // the rest of a pipe's message
    return -base::errno_of(error);
  }

  // At the position that the system keeps, or of what has none.
  long plain() const {
    DWORD count = 0;
    const bool succeeded = start(&count, nullptr);
    return result(succeeded, count);
  }

  long at(std::int64_t offset) const {
    const HANDLE event = CreateEventW(nullptr, TRUE, FALSE, nullptr);
    if (event == nullptr) return -base::errno_of(GetLastError());
    OVERLAPPED where{};
    where.Offset = static_cast<DWORD>(offset);
    where.OffsetHigh = static_cast<DWORD>(static_cast<std::uint64_t>(offset) >> 32);
    // The lowest bit: to no completion port, should whoever opened the file have one (GetQueuedCompletionStatus).
    where.hEvent = reinterpret_cast<HANDLE>(reinterpret_cast<std::uintptr_t>(event) | 1);
    DWORD count = 0;
    bool succeeded = start(nullptr, &where);
    if (succeeded || GetLastError() == ERROR_IO_PENDING || GetLastError() == ERROR_MORE_DATA) {
      succeeded = GetOverlappedResult(file, &where, &count, TRUE) != FALSE;
    }
    const long moved = result(succeeded, count);
    CloseHandle(event);
    return moved;
  }
};

// Goes at offset and leaves the position, which the system moves with every call, where it was.
long at_without_moving(const Call& call, std::int64_t offset) {
  LARGE_INTEGER before;
  if (SetFilePointerEx(call.file, {}, &before, FILE_CURRENT) == 0) return -base::errno_of(GetLastError());
  const long result = call.at(offset);
  SetFilePointerEx(call.file, before, nullptr, FILE_BEGIN);
  return result;
}

long at_own_position(const Call& call, FileState& state) {
  const bool at_end = state.appends && call.from != nullptr;
  const long result = call.at(at_end ? kEnd : state.position);
  if (result <= 0) return result;
  LARGE_INTEGER size{};
  if (at_end && GetFileSizeEx(call.file, &size) != 0) {
    state.position = size.QuadPart;
  } else {
    state.position += result;
  }
  return result;
}

long perform(const Call& call, FileState& state, std::int64_t offset) {
  if (!state.seekable) {
    if (offset >= 0) return -ESPIPE;
    return state.overlapped ? call.at(0) : call.plain();
  }
  if (state.overlapped && offset >= 0) return call.at(offset);
  const std::lock_guard lock(state.mutex);
  if (state.overlapped) return at_own_position(call, state);
  return offset < 0 ? call.plain() : at_without_moving(call, offset);
}

}  // namespace

long open_file(const std::string& path, int flags, mode_t) {
  DWORD access = GENERIC_READ;
  if ((flags & O_ACCMODE) == O_WRONLY) access = GENERIC_WRITE;
  if ((flags & O_ACCMODE) == O_RDWR) access = GENERIC_READ | GENERIC_WRITE;
  if ((flags & O_APPEND) != 0 && (access & GENERIC_WRITE) != 0) {
    access = (access & ~DWORD{GENERIC_WRITE}) | FILE_APPEND_DATA;
  }
  DWORD how = (flags & O_TRUNC) != 0 ? TRUNCATE_EXISTING : OPEN_EXISTING;
  if ((flags & O_CREAT) != 0) how = (flags & O_TRUNC) != 0 ? CREATE_ALWAYS : OPEN_ALWAYS;
  if ((flags & O_CREAT) != 0 && (flags & O_EXCL) != 0) how = CREATE_NEW;
  const HANDLE file =
      CreateFileW(base::widen(path).c_str(), access, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, nullptr,
                  how, FILE_ATTRIBUTE_NORMAL | FILE_FLAG_OVERLAPPED, nullptr);
  if (file == INVALID_HANDLE_VALUE) return -base::errno_of(GetLastError());
  return static_cast<long>(reinterpret_cast<std::intptr_t>(file));
}

void look_at_file(int fd, FileState& state) {
  const HandleUse use = handle_use(fd);
  state.overlapped = use.overlapped;
  state.appends = use.appends;
  state.seekable = GetFileType(handle_of(fd)) == FILE_TYPE_DISK;
}

long read_file(int fd, FileState& state, void* buffer, std::size_t size, std::int64_t offset) {
  return perform({.file = handle_of(fd), .into = buffer, .from = nullptr, .size = static_cast<DWORD>(size)}, state,
                 offset);
}

long write_file(int fd, FileState& state, const void* data, std::size_t size, std::int64_t offset) {
  return perform({.file = handle_of(fd), .into = nullptr, .from = data, .size = static_cast<DWORD>(size)}, state,
                 offset);
}

std::int64_t file_size(int fd) {
  LARGE_INTEGER size;
  if (GetFileSizeEx(handle_of(fd), &size) == 0) return -base::errno_of(GetLastError());
  return size.QuadPart;
}

}  // namespace netpoll::net
