// echo.h: the plainest server of a connection.
#pragma once

#include <cstddef>
#include <span>

#include "cli/workload/serve/server.h"

namespace netpoll::workload {

// Writes back what it reads, with a buffer of --buffer bytes, until the end of the stream.
void echo(Server& server, Conn& conn, Traffic& traffic);

// One read and its answer, which is counted as an operation. False at the end of the connection.
bool answer(Server& server, Conn& conn, Traffic& traffic, std::span<std::byte> buffer);

// Accepts until the listener or the runtime closes, and echoes with goroutines that keep no stack between two requests.
void serve_at_rest(Server& server, Listener& listener);

}  // namespace netpoll::workload
