// sigpipe.h: writing to a stream without reader is an error value, not the end of the process.
#pragma once

namespace netpoll::net {

// Sockets are written with MSG_NOSIGNAL. For pipes and sendfile(2), which know no such flag, this gives SIGPIPE a
// handler that does nothing, once, and only where the disposition is still the default one. A handler, not SIG_IGN:
// programs executed later start with the default again (execve(2)). Thread-safe.
void ignore_sigpipe();

}  // namespace netpoll::net
