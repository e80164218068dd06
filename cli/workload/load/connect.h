// connect.h: making many stream connections, and ending them in order.
#pragma once

#include <cstdint>
#include <vector>

#include "cli/workload/load/session.h"

namespace netpoll::workload {

// Connects `count` stream sockets, at most 512 at a time so that no listen queue overflows, from several loopback
// addresses where one has too few ports. Connection i is registered in the session's epoll as data i with `events`.
// kCanceled when the run is stopped meanwhile; the first failure ends it.
Result<std::vector<Fd>> connect_all(Session& session, std::uint64_t count, std::uint32_t events,
                                    int receive_buffer = 0);

// Sends the end of stream on every connection and waits until the server has answered each with its own: so the server
// has seen the end of all of them, and closed. kTimeout when some stay open, which is the server losing an event.
Result<void> finish_all(Session& session, const std::vector<Fd>& connections);

}  // namespace netpoll::workload
