// file_calls.h: what File needs of the system where that differs. All may block.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <string>

namespace netpoll::net {

// flags and mode as for open(2); the descriptor is not inherited by children. -errno on failure.
long open_file(const std::string& path, int flags, mode_t mode);

// write(2), or pwrite(2) where offset >= 0, without SIGPIPE. A count or -errno.
long write_file(int fd, const void* data, std::size_t size, std::int64_t offset);

// The size of an open file, or -errno.
std::int64_t file_size(int fd);

}  // namespace netpoll::net
