// sys/uio.h, for Windows: the buffers of scattered reads and gathered writes.
#pragma once

#include <stddef.h>

struct iovec {
  void* iov_base;
  size_t iov_len;
};
