// accept.h: one goroutine per connection, the shape of every stream server here.
#pragma once

#include <utility>

#include "cli/workload/serve/server.h"
#include "netpoll/go.h"

namespace netpoll::workload {

// Accepts until the listener or the runtime closes, and gives each connection to begin(Conn). accepted, when given,
// counts them.
template <typename F>
void accept_each(Server& server, Listener& listener, F begin, std::uint64_t* accepted = nullptr) {
  for (;;) {
    auto conn = listener.accept();
    if (!conn) {
      server.fail(conn.error());
      return;
    }
    server.add_connection();
    if (accepted != nullptr) ++*accepted;
    begin(std::move(*conn));
  }
}

// The same, and runs serve(server, conn, traffic) in a goroutine for each connection.
template <typename F>
void accept_loop(Server& server, Listener& listener, F serve, std::uint64_t* accepted = nullptr) {
  const auto begin = [&server, serve](Conn accepted_conn) {
    go([&server, serve, conn = std::move(accepted_conn)]() mutable {
      Traffic traffic;
      serve(server, conn, traffic);
      server.add(traffic);
    });
  };
  accept_each(server, listener, begin, accepted);
}

}  // namespace netpoll::workload
