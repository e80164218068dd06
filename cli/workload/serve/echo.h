// echo.h: the plainest server of a connection.
#pragma once

#include <cstddef>
#include <span>

#include "cli/workload/serve/server.h"

namespace netpoll::workload {

// Writes back what it reads, with a buffer of --buffer bytes, until the end of the stream.
void echo(Server& server, Conn& conn, Traffic& traffic);

// One read and its answer. False at the end of the connection. The operations are the caller's to count.
bool answer(Server& server, Conn& conn, Traffic& traffic, std::span<std::byte> buffer);

// The same by a goroutine that has a stack for as long as this takes, with a buffer there; counts its operations.
bool answer_at_rest(Server& server, Conn& conn, Traffic& traffic);

}  // namespace netpoll::workload
