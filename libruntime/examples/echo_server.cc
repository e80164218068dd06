// echo_server [ADDRESS]: sends back what it gets, one goroutine per connection.
//
//   echo_server 127.0.0.1:7777 &
//   nc 127.0.0.1 7777
//
// Each goroutine waits until there is something to read before it takes a buffer, so an idle connection costs a
// goroutine's stack page and nothing else.
#include <array>
#include <chrono>
#include <cstdio>
#include <string>

#include "netpoll/go.h"
#include "netpoll/net/conn.h"
#include "netpoll/net/listener.h"
#include "netpoll/runtime.h"

namespace {

using namespace std::chrono_literals;

// Not inlined: the buffer is on the stack only while there is something in it.
[[gnu::noinline]] netpoll::Result<bool> echo_some(netpoll::Conn& conn) {
  std::array<std::byte, 16 * 1024> buffer;
  auto n = conn.read(buffer);
  if (!n) return std::move(n).error();
  if (*n == 0) return false;
  auto written = conn.write(std::span(buffer).first(*n));
  if (!written) return std::move(written).error();
  return true;
}

void serve(netpoll::Conn conn) {
  for (;;) {
    // Somebody who says nothing for five minutes has gone.
    if (!conn.set_deadline(netpoll::after(5min)) || !conn.wait_readable()) return;
    auto more = echo_some(conn);
    if (!more) {
      std::fprintf(stderr, "echo_server: %s\n", more.error().message().c_str());
      return;
    }
    if (!*more) return;
  }
}

int run(const std::string& address) {
  auto listener = netpoll::Listener::listen(address);
  if (!listener) {
    std::fprintf(stderr, "echo_server: %s\n", listener.error().message().c_str());
    return 1;
  }
  std::fprintf(stderr, "echo_server: listening on %s\n", listener->local().str().c_str());
  for (;;) {
    auto conn = listener->accept();
    if (!conn) {
      std::fprintf(stderr, "echo_server: %s\n", conn.error().message().c_str());
      return 1;
    }
    netpoll::go([conn = std::move(*conn)]() mutable { serve(std::move(conn)); });
  }
}

}  // namespace

int main(int argc, char** argv) {
  int status = 0;
  netpoll::Runtime runtime;
  runtime.run([&] { status = run(argc > 1 ? argv[1] : "127.0.0.1:7777"); });
  return status;
}
