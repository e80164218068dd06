// echo.h: the plainest server of a connection.
#pragma once

#include "cli/workload/serve/server.h"

namespace netpoll::workload {

// Writes back what it reads, with a buffer of --buffer bytes, until the end of the stream.
void echo(Server& server, Conn& conn, Traffic& traffic);

}  // namespace netpoll::workload
