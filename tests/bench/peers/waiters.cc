// The subject of snapshot_cost.py that runs on libruntime; usage and what it says are those of waiters.go.
#include <sys/resource.h>

#include <array>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <string>
#include <thread>
#include <utility>

#include "netpoll/debug/endpoint.h"
#include "netpoll/net/conn.h"
#include "netpoll/net/dial.h"
#include "netpoll/net/listener.h"
#include "netpoll/runtime.h"
#include "netpoll/sync/channel.h"

namespace {

std::atomic<unsigned long> trips{0};

template <typename T>
T must(netpoll::Result<T> result) {
  if (result) return std::move(*result);
  std::fprintf(stderr, "waiters: %s\n", result.error().message().c_str());
  std::exit(1);
}

[[gnu::noinline]] void wait(netpoll::Conn& conn) {
  std::array<std::byte, 1> buffer;
  (void)conn.read(buffer);
}

void bounce(netpoll::Conn& conn, bool first) {
  std::array<std::byte, 1> b{};
  if (first && !conn.write(b)) return;
  while (conn.read_full(b) && conn.write(b)) {
    if (first) trips.fetch_add(1, std::memory_order_relaxed);
  }
}

std::pair<netpoll::Conn, netpoll::Conn> pair(netpoll::Listener& listener) {
  auto a = must(netpoll::dial(listener.local()));
  return {std::move(a), must(listener.accept())};
}

void start(const std::array<int, 3>& counts, const netpoll::Channel<int>& never) {
  auto listener = must(netpoll::Listener::listen("127.0.0.1:0"));
  for (int i = 0; i < counts[0]; i += 2) {
    auto [a, b] = pair(listener);
    netpoll::go([conn = std::move(a)]() mutable { wait(conn); });
    netpoll::go([conn = std::move(b)]() mutable { wait(conn); });
  }
  for (int i = 0; i < counts[1]; ++i) netpoll::go([&never] { (void)never.recv(); });
  for (int i = 0; i < counts[2]; ++i) {
    auto [a, b] = pair(listener);
    netpoll::go([conn = std::move(a)]() mutable { bounce(conn, true); });
    netpoll::go([conn = std::move(b)]() mutable { bounce(conn, false); });
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fputs("usage: waiters IO CHAN WORKERS\n", stderr);
    return 2;
  }
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  const netpoll::Channel<int> never;
  const netpoll::Channel<int> stop;
  netpoll::Runtime runtime({.name = "waiters"});
  std::atomic<bool> started{false};
  std::thread thread([&] {
    runtime.run([&] {
      start({std::atoi(argv[1]), std::atoi(argv[2]), std::atoi(argv[3])}, never);
      started = true;
      (void)stop.recv();
    });
  });
  while (!started) std::this_thread::yield();
  const auto endpoint = must(netpoll::debug::serve(runtime, {.address = "127.0.0.1:0"}));
  std::printf("address %s\n", endpoint.address().c_str());
  std::fflush(stdout);
  for (std::string line; std::getline(std::cin, line);) {
    std::printf("%lu\n", trips.load());
    std::fflush(stdout);
  }
  std::_Exit(0);  // its goroutines wait for ever
}
