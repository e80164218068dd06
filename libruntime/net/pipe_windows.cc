// No pipes and no socket pairs: those of Windows belong to another family of handles, whose reads a port completes but
// which are no sockets.
#include "netpoll/net/pipe.h"

namespace netpoll {
namespace {

Error not_here(const char* what) {
  return Error(ErrorKind::kNotSupported, std::string(what) + ": not on Windows")
      .with_hint("connect two sockets over the loopback, or use a netpoll::Chan within one process");
}

}  // namespace

Result<std::pair<Conn, Conn>> pipe() { return not_here("pipe"); }
Result<std::pair<Conn, Conn>> socket_pair() { return not_here("socketpair"); }

}  // namespace netpoll
