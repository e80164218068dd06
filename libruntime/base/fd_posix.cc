// Closing of owned descriptors.
#include "netpoll/fd.h"

#include "libruntime/base/syscall.h"

namespace netpoll {

void Fd::reset(int fd) {
  // close(2) is never retried: on Linux the descriptor is gone even after EINTR, and its number may be in use again.
  if (fd_ >= 0) base::sys(SYS_close, fd_);
  fd_ = fd;
}

}  // namespace netpoll
