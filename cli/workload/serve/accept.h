// accept.h: one goroutine per connection, the shape of every stream server here.
#pragma once

#include <utility>

#include "cli/workload/serve/server.h"
#include "netpoll/go.h"

namespace netpoll::workload {

// Accepts until the listener or the runtime closes, and runs serve(server, conn, traffic) in a goroutine for each
// connection. accepted, when given, counts them.
template <typename F>
void accept_loop(Server& server, Listener& listener, F serve, std::uint64_t* accepted = nullptr) {
  for (;;) {
    auto conn = listener.accept();
    if (!conn) {
      server.fail(conn.error());
      return;
    }
    server.add_connection();
    if (accepted != nullptr) ++*accepted;
    go([&server, serve, conn = std::move(*conn)]() mutable {
      Traffic traffic;
      serve(server, conn, traffic);
      server.add(traffic);
    });
  }
}

}  // namespace netpoll::workload
