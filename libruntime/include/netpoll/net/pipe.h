// pipe and socket_pair: two connected Conns within the process.
#pragma once

#include <utility>

#include "netpoll/net/conn.h"
#include "netpoll/result.h"

namespace netpoll {

// A pipe(7): first is the read end, second the write end. Using an end in the wrong direction gives EBADF.
Result<std::pair<Conn, Conn>> pipe();

// A pair of connected Unix stream sockets; both ends read and write. On Windows, which has no socketpair(), a TCP
// connection over the loopback that none but the two ends have, for goroutines only.
Result<std::pair<Conn, Conn>> socket_pair();

}  // namespace netpoll
