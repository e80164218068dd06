// file_calls.h: what File needs of the system where that differs. All may block.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>

namespace netpoll::net {

// What the system does not keep of an open file, or not as File promises it: for the handles of Windows. Elsewhere the
// descriptor has it all. Filled in by look_at_file(), for the calls below.
struct FileState {
  bool overlapped = false;  // calls say where, and the position is ours
  bool seekable = true;     // there are positions
  bool appends = false;     // writes go to the end
  std::mutex mutex;         // held by whoever uses or disturbs the position
  std::int64_t position = 0;
};

// flags and mode as for open(2); the descriptor is not inherited by children. -errno on failure.
long open_file(const std::string& path, int flags, mode_t mode);

// Fills in state for an open file, of whatever kind, that is about to be used by File.
void look_at_file(int fd, FileState& state);

// read(2), or pread(2) where offset >= 0. A count, 0 at the end, or -errno.
long read_file(int fd, FileState& state, void* buffer, std::size_t size, std::int64_t offset);

// write(2), or pwrite(2) where offset >= 0, without SIGPIPE. A count or -errno.
long write_file(int fd, FileState& state, const void* data, std::size_t size, std::int64_t offset);

// The size of an open file, or -errno.
std::int64_t file_size(int fd);

}  // namespace netpoll::net
