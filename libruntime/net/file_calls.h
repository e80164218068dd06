// file_calls.h: what File needs of the system beside reads and writes. Both may block.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

namespace netpoll::net {

// flags and mode as for open(2); the descriptor is not inherited by children. -errno on failure.
long open_file(const std::string& path, int flags, mode_t mode);

// The size of an open file, or -errno.
std::int64_t file_size(int fd);

}  // namespace netpoll::net
