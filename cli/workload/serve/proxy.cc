// The workload proxy: two goroutines for each relayed connection.
#include <memory>

#include "cli/workload/serve/accept.h"
#include "cli/workload/serve/echo.h"
#include "cli/workload/serve/servers.h"
#include "netpoll/net/addr.h"
#include "netpoll/net/dial.h"
#include "netpoll/sync/wait_group.h"

namespace netpoll::workload {
namespace {

// Moves bytes from one side to the other until the first ends, and passes the end on. An error closes both, so that the
// goroutine of the other direction ends too.
void relay(Server& server, Conn& from, Conn& to, std::uint64_t& moved) {
  const std::size_t size = server.plan().buffer;
  const auto buffer = std::make_unique_for_overwrite<std::byte[]>(size);
  for (;;) {
    auto n = from.read({buffer.get(), size});
    if (n && *n > 0) {
      auto written = to.write({buffer.get(), *n});
      if (written) {
        moved += *n;
        continue;
      }
      server.note_error(written.error());
    } else if (n) {
      if (auto ended = to.close_write(); ended) return;
    } else {
      server.note_error(n.error());
    }
    (void)from.close();
    (void)to.close();
    return;
  }
}

void relay_both_ways(Server& server, Conn& front, Traffic& traffic, const Addr& back_address) {
  auto back = dial(back_address);
  if (!back) return server.note_error(back.error());
  WaitGroup group;
  std::uint64_t answered = 0;
  group.go([&] { relay(server, *back, front, answered); });
  relay(server, front, *back, traffic.read);
  group.wait();
  traffic.written = answered;
  traffic.operations = answered / server.plan().size;
}

// The back end counts nothing: its operations are those of the proxy.
void echo_uncounted(Server& server, Conn& conn, Traffic&) {
  Traffic unused;
  echo(server, conn, unused);
}

}  // namespace

void serve_proxy(Server& server) {
  auto back_listener = Listener::listen(Addr::loopback());
  if (!back_listener) return server.fail(back_listener.error());
  Listener listener = server.listen();
  if (!listener.valid()) return;
  const Addr back_address = back_listener->local();
  go([&server, back = std::move(*back_listener)]() mutable {
    for (;;) {
      auto conn = back.accept();
      if (!conn) return server.fail(conn.error());
      go([&server, conn = std::move(*conn)]() mutable {
        Traffic unused;
        echo_uncounted(server, conn, unused);
      });
    }
  });
  server.listening({listener.local().str()});
  accept_loop(server, listener, [back_address](Server& s, Conn& conn, Traffic& traffic) {
    relay_both_ways(s, conn, traffic, back_address);
  });
}

}  // namespace netpoll::workload
