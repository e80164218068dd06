// The workload idle: connections that wait, with a buffer or without.
#include <memory>

#include "cli/workload/serve/accept.h"
#include "cli/workload/serve/echo.h"
#include "cli/workload/serve/servers.h"

namespace netpoll::workload {
namespace {

// The buffer is cleared, as a language with a garbage collector would, so that it costs its memory from the start.
void hold_buffer(Server& server, Conn& conn, Traffic& traffic) {
  const auto buffer = std::make_unique<std::byte[]>(server.plan().buffer);
  while (answer(server, conn, traffic, {buffer.get(), server.plan().buffer})) {
  }
}

void take_buffer(Server& server, Conn& conn, Traffic& traffic) {
  for (;;) {
    if (auto ready = conn.wait_readable(); !ready) {
      server.note_error(ready.error());
      return;
    }
    const auto buffer = std::make_unique_for_overwrite<std::byte[]>(server.plan().buffer);
    if (!answer(server, conn, traffic, {buffer.get(), server.plan().buffer})) return;
  }
}

}  // namespace

void serve_idle(Server& server) {
  Listener listener = server.listen();
  if (!listener.valid()) return;
  server.listening({listener.local().str()});
  if (server.plan().rest) return serve_at_rest(server, listener);
  accept_loop(server, listener, [](Server& s, Conn& conn, Traffic& traffic) {
    if (s.plan().hold) {
      hold_buffer(s, conn, traffic);
    } else {
      take_buffer(s, conn, traffic);
    }
    traffic.operations = traffic.written / s.plan().size;
  });
}

}  // namespace netpoll::workload
