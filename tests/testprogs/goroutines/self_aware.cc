// A libruntime program that says what it sees of itself: goroutines with labels, in functions with names, which wait
// for sockets, a pipe, a channel and a sleep, and one that rests. Prints a line of tests/support/goroutine_text.h for
// each but the main one, then "ready", and ends with its standard input.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "netpoll/labels.h"
#include "netpoll/net/conn.h"
#include "netpoll/net/dial.h"
#include "netpoll/net/listener.h"
#include "netpoll/net/pipe.h"
#include "netpoll/net/when_readable.h"
#include "netpoll/runtime.h"
#include "netpoll/sync/channel.h"
#include "tests/support/goroutine_text.h"

using namespace std::chrono_literals;

namespace {

constexpr std::size_t kGoroutines = 7;

template <typename T>
T must(netpoll::Result<T> result) {
  if (result) return std::move(*result);
  std::fprintf(stderr, "%s\n", result.error().message().c_str());
  std::exit(1);
}

// Deep stacks, with calls that are inlined and calls that are not.
[[gnu::always_inline]] inline void inlined_read(netpoll::Conn& conn) {
  std::byte buffer[32];
  (void)conn.read(buffer);
}

[[gnu::noinline]] int deep(int depth, netpoll::Conn& conn) {
  if (depth == 0) {
    inlined_read(conn);
    return 0;
  }
  const int below = deep(depth - 1, conn);
  __asm__ volatile("");  // not a tail call
  return below + 1;
}

struct Server {
  [[gnu::noinline]] void serve_one(netpoll::Listener& listener) {
    auto conn = listener.accept();
    if (conn) netpoll::with_labels({{"role", "server"}, {"peer", conn->peer().str()}}, [&] { inlined_read(*conn); });
  }
};

// Between its requests it has no stack.
void serve_at_rest(netpoll::Conn conn) {
  netpoll::go_when_readable(std::move(conn), [](netpoll::Conn& served, netpoll::Result<void> ready) {
    if (ready) inlined_read(served);
    return false;
  });
}

void start() {
  auto [client, served] = must(netpoll::socket_pair());
  serve_at_rest(std::move(served));
  auto [left, right] = must(netpoll::socket_pair());
  netpoll::with_labels({{"request", "r-1"}}, [&, left = &left, right = &right] {
    netpoll::go([conn = std::move(*left), peer = std::move(*right)]() mutable {
      (void)conn.set_read_deadline(netpoll::after(1h));
      (void)deep(10, conn);
    });
  });
  auto listener = std::make_shared<netpoll::Listener>(must(netpoll::Listener::listen("127.0.0.1:0")));
  netpoll::go([listener] { Server().serve_one(*listener); });
  netpoll::go([conn = must(netpoll::dial(listener->local()))]() mutable { inlined_read(conn); });
  netpoll::go([quiet = must(netpoll::Listener::listen("127.0.0.1:0"))]() mutable { (void)quiet.accept(); });
  netpoll::go([kept = std::move(client)] { (void)netpoll::sleep(1h); });
  netpoll::go([] {
    const netpoll::Channel<int> never;
    (void)never.recv();
  });
}

// Waits until all but the main goroutine are parked, and says so.
void tell(const netpoll::Runtime& runtime) {
  for (;;) {
    const auto snapshot = runtime.snapshot();
    std::size_t parked = 0;
    for (const auto& g : snapshot.goroutines) parked += g.goid != 1 && g.status == "waiting" ? 1 : 0;
    // The server has its labels when it waits for the connection, not for the listener.
    std::size_t established = 0;
    for (const auto& g : snapshot.goroutines) established += g.tcp_state == "ESTABLISHED" ? 1 : 0;
    if (parked == kGoroutines && established == 2) {
      for (const auto& g : snapshot.goroutines) {
        if (g.goid != 1) std::printf("%s\n", netpoll::test::goroutine_text(snapshot, g).c_str());
      }
      return;
    }
    (void)netpoll::sleep(1ms);
  }
}

}  // namespace

int main() {
  netpoll::Runtime runtime({.procs = 2});
  runtime.run([&] {
    start();
    tell(runtime);
    std::puts("ready");
    std::fflush(stdout);
    auto input = must(netpoll::Conn::adopt(netpoll::Fd(0)));
    std::byte buffer[8];
    (void)input.read(buffer);
  });
  return 0;
}
