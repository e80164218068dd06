// An echo server that shows its goroutines, with their stacks and labels, over HTTP and on Ctrl-backslash:
//
//   debug_endpoint 127.0.0.1:8080 [DEBUG_ADDRESS]
//   curl --unix-socket "$XDG_RUNTIME_DIR"/netpoll-PID.sock 'http://localhost/debug/pprof/goroutine?debug=2'
//   go tool pprof http://127.0.0.1:6060/debug/pprof/goroutine          (DEBUG_ADDRESS 127.0.0.1:6060)
#include <cstdio>
#include <string>

#include "netpoll/debug/endpoint.h"
#include "netpoll/labels.h"
#include "netpoll/net/conn.h"
#include "netpoll/net/listener.h"
#include "netpoll/runtime.h"

namespace {

int fail(const netpoll::Error& error) {
  std::fprintf(stderr, "error: %s\n", error.message().c_str());
  return 1;
}

void echo(netpoll::Conn& conn) {
  std::byte buffer[4096];
  while (auto n = conn.read(buffer)) {
    if (*n == 0 || !conn.write(std::span(buffer).first(*n))) return;
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: debug_endpoint ADDRESS [DEBUG_ADDRESS]\n");
    return 2;
  }
  netpoll::Runtime runtime;
  const auto endpoint = netpoll::debug::serve(runtime, {.address = argc > 2 ? argv[2] : ""});
  if (!endpoint) return fail(endpoint.error());
  const auto quit = netpoll::debug::dump_on_quit(runtime);
  if (!quit) return fail(quit.error());
  std::printf("debug endpoint: %s\n", endpoint->address().c_str());
  std::fflush(stdout);

  int status = 0;
  runtime.run([&] {
    auto listener = netpoll::Listener::listen(argv[1]);
    if (!listener) {
      status = fail(listener.error());
      return;
    }
    std::printf("listening: %s\n", listener->local().str().c_str());
    std::fflush(stdout);
    while (auto conn = listener->accept()) {
      netpoll::go([conn = std::move(*conn)]() mutable {
        netpoll::with_labels({{"peer", conn.peer().str()}}, [&] { echo(conn); });
      });
    }
  });
  return status;
}
