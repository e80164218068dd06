// sigpipe.h: system calls that may raise SIGPIPE and have no flag against it: write(2) to a pipe, sendfile(2).
#pragma once

#include <cerrno>
#include <cstddef>

#include "libruntime/base/posix.h"

namespace netpoll::net {

// Makes a call on fd that moves up to `wanted` bytes, and takes back the SIGPIPE that it raised: the signal is sent to
// the calling thread (pipe(7), write(2)), so it is blocked there meanwhile and fetched from its pending ones. That
// costs two calls more; an M cannot keep the signal blocked instead, for the children that its goroutines start would
// inherit that. call() must not park, and returns a count or -errno. A short count may come with the signal too: the
// reader left in the middle.
template <typename Call>
long without_sigpipe(int fd, std::size_t wanted, Call&& call) {
  const bool blocked = base::block_sigpipe(fd);
  const long result = call();
  if (blocked) base::end_sigpipe(result != static_cast<long>(wanted) && result != -EAGAIN);
  return result;
}

}  // namespace netpoll::net
