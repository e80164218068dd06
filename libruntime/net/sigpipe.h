// sigpipe.h: system calls that may raise SIGPIPE and have no flag against it: write(2) to a pipe, sendfile(2).
#pragma once

#include <signal.h>
#include <time.h>

#include <cerrno>
#include <cstdint>

#include "libruntime/base/syscall.h"

namespace netpoll::net {

// Makes a call that moves up to `wanted` bytes, and takes back the SIGPIPE that it raised: the signal is sent to the
// calling thread (pipe(7), write(2)), so it is blocked there meanwhile and fetched from its pending ones. That costs
// two calls more; an M cannot keep the signal blocked instead, for the children that its goroutines start would inherit
// that. call() must not park, and returns a count or -errno. A short count may come with the signal too: the reader
// left in the middle.
template <typename Call>
long without_sigpipe(std::size_t wanted, Call&& call) {
  const std::uint64_t pipe_only = std::uint64_t{1} << (SIGPIPE - 1);  // as the kernel has its sets, not as glibc
  std::uint64_t before = 0;
  base::sys(SYS_rt_sigprocmask, SIG_BLOCK, &pipe_only, &before, sizeof before);
  const long result = call();
  if ((before & pipe_only) != 0) return result;  // the program blocks it: then it stays pending, as for its own writes
  if (result != static_cast<long>(wanted) && result != -EAGAIN) {
    const timespec now{};
    while (base::sys(SYS_rt_sigtimedwait, &pipe_only, nullptr, &now, sizeof pipe_only) == -EINTR) {
    }
  }
  base::sys(SYS_rt_sigprocmask, SIG_UNBLOCK, &pipe_only, nullptr, sizeof pipe_only);
  return result;
}

}  // namespace netpoll::net
