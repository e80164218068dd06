// connect.h: how a socket is connected, in two steps: before it is registered with the poller, and after. Of a
// readiness back end the first one does it and the second waits; where operations complete it is the other way round.
#pragma once

#include "libruntime/net/net_fd.h"
#include "netpoll/net/addr.h"

namespace netpoll::net {

// What start_connect() and finish_connect() return beside 0 and errors: it is under way, the socket has to be
// registered and finish_connect() to be called.
inline constexpr long kConnectUnderWay = -EINPROGRESS;

// Begins to connect fd, which is not registered yet. 0: connected. -EAGAIN: a Unix listener's backlog is full, and no
// event tells when it is not.
long start_connect(int fd, const Addr& address);

// Waits until the connect that is under way is decided. 0 when connected.
long finish_connect(NetFd& fd, const Addr& address);

}  // namespace netpoll::net
