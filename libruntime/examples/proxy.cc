// proxy LISTEN UPSTREAM: forwards each connection to UPSTREAM, both ways, until both sides have said all.
//
//   proxy 127.0.0.1:8080 127.0.0.1:80
//   proxy unix:/tmp/front.sock unix:@back
//
// Two goroutines per connection, one for each direction. The end of one direction is passed on as a half close, so that
// a client may finish its request and still get its answer. When a direction fails, both are closed, which wakes the
// other goroutine.
#include <array>
#include <chrono>
#include <cstdio>
#include <string>

#include "netpoll/go.h"
#include "netpoll/net/conn.h"
#include "netpoll/net/dial.h"
#include "netpoll/net/listener.h"
#include "netpoll/runtime.h"
#include "netpoll/sync/wait_group.h"

namespace {

using namespace std::chrono_literals;

// Returns whether from ended in order.
bool copy(netpoll::Conn& from, netpoll::Conn& to) {
  std::array<std::byte, 32 * 1024> buffer;
  for (;;) {
    auto n = from.read(buffer);
    if (!n) return false;
    if (*n == 0) return to.close_write().has_value();
    if (!to.write(std::span(buffer).first(*n))) return false;
  }
}

void forward(netpoll::Conn client, const netpoll::Addr& upstream) {
  auto server = netpoll::dial(upstream, {.deadline = netpoll::after(10s)});
  if (!server) {
    std::fprintf(stderr, "proxy: %s: %s\n", client.peer().str().c_str(), server.error().message().c_str());
    return;
  }
  const auto one_way = [&](netpoll::Conn& from, netpoll::Conn& to) {
    if (copy(from, to)) return;
    static_cast<void>(client.close());
    static_cast<void>(server->close());
  };
  netpoll::WaitGroup back;
  back.go([&] { one_way(*server, client); });
  one_way(client, *server);
  back.wait();
}

int run(const std::string& listen, const std::string& upstream_text) {
  auto upstream = netpoll::Addr::parse(upstream_text);
  if (!upstream) {
    std::fprintf(stderr, "proxy: %s\nhint: %s\n", upstream.error().message().c_str(), upstream.error().hint().c_str());
    return 2;
  }
  auto listener = netpoll::Listener::listen(listen);
  if (!listener) {
    std::fprintf(stderr, "proxy: %s\n", listener.error().message().c_str());
    return 1;
  }
  std::fprintf(stderr, "proxy: %s -> %s\n", listener->local().str().c_str(), upstream->str().c_str());
  for (;;) {
    auto conn = listener->accept();
    if (!conn) {
      std::fprintf(stderr, "proxy: %s\n", conn.error().message().c_str());
      return 1;
    }
    netpoll::go([conn = std::move(*conn), target = *upstream]() mutable { forward(std::move(conn), target); });
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: proxy LISTEN UPSTREAM\n");
    return 2;
  }
  int status = 0;
  netpoll::Runtime runtime;
  runtime.run([&] { status = run(argv[1], argv[2]); });
  return status;
}
