// idle_server [ADDRESS]: sends back what it gets. For very many connections that mostly say nothing: while one is idle
// its goroutine has no stack, so it costs some 330 bytes, and its two timers 112 more.
//
//   idle_server 127.0.0.1:7777 &
//   nc 127.0.0.1 7777
#include <array>
#include <chrono>
#include <cstdio>
#include <string>

#include "netpoll/net/listener.h"
#include "netpoll/net/when_readable.h"
#include "netpoll/runtime.h"

namespace {

using namespace std::chrono_literals;

// One answer, on a stack that is some other goroutine's as soon as this returns. Whether the connection goes on.
bool answer(netpoll::Conn& conn, const netpoll::Result<void>& ready) {
  if (!ready) return false;  // it said nothing for too long, or the program ends
  std::array<std::byte, 16 * 1024> buffer;
  auto n = conn.read(buffer);
  if (!n || *n == 0 || !conn.write(std::span(buffer).first(*n))) return false;
  return conn.set_read_deadline(netpoll::after(5min)).has_value();
}

// A lambda rather than the function itself, whose name no type has: snapshots show it as "serve(netpoll::Conn)::...".
void serve(netpoll::Conn conn) {
  if (!conn.set_read_deadline(netpoll::after(5min))) return;
  netpoll::go_when_readable(std::move(conn),
                            [](netpoll::Conn& c, const netpoll::Result<void>& ready) { return answer(c, ready); });
}

int run(const std::string& address) {
  auto listener = netpoll::Listener::listen(address);
  if (!listener) {
    std::fprintf(stderr, "idle_server: %s\n", listener.error().message().c_str());
    return 1;
  }
  std::fprintf(stderr, "idle_server: listening on %s\n", listener->local().str().c_str());
  for (;;) {
    auto conn = listener->accept();
    if (!conn) {
      std::fprintf(stderr, "idle_server: %s\n", conn.error().message().c_str());
      return 1;
    }
    serve(std::move(*conn));
  }
}

}  // namespace

int main(int argc, char** argv) {
  int status = 0;
  netpoll::Runtime runtime;
  runtime.run([&] { status = run(argc > 1 ? argv[1] : "127.0.0.1:7777"); });
  return status;
}
