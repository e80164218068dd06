// A libruntime program whose goroutines wait for every kind of thing, while one pair of them never rests.
//
// usage: parked COUNT. COUNT goroutines are parked in reads of TCP connections to ourselves; with these run an accept,
// a read with a deadline, a blocked write, two reads whose registrations somebody tampers with, a channel, a sleep and
// two that play ping-pong as fast as they can. Prints "goroutine NAME=VALUE..." for the special ones and "ready", and
// ends with its standard input.
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "netpoll/net/conn.h"
#include "netpoll/net/dial.h"
#include "netpoll/net/listener.h"
#include "netpoll/net/pipe.h"
#include "netpoll/runtime.h"
#include "netpoll/sync/channel.h"

using namespace std::chrono_literals;

namespace {

std::array<std::byte, 64> scratch() { return {}; }

template <typename T>
T must(netpoll::Result<T> result) {
  if (result) return std::move(*result);
  std::fprintf(stderr, "%s\n", result.error().message().c_str());
  std::exit(1);
}

// Starts f as a goroutine that first says who it is.
template <typename F>
[[gnu::always_inline]] inline void tell_and_go(std::string truth, F f) {
  netpoll::go([truth = std::move(truth), f = std::move(f)]() mutable {
    std::printf("goroutine goid=%llu %s\n", static_cast<unsigned long long>(netpoll::goid()), truth.c_str());
    f();
  });
}

// The one epoll instance of this process.
int runtime_epfd() {
  for (int fd = 0; fd < 64; ++fd) {
    char link[64] = {};
    const std::string path = "/proc/self/fd/" + std::to_string(fd);
    if (readlink(path.c_str(), link, sizeof link - 1) > 0 && std::strcmp(link, "anon_inode:[eventpoll]") == 0)
      return fd;
  }
  std::exit(1);
}

// A function with a name of its own, to be found in the snapshot as the one that started these.
[[gnu::noinline]] void start_special_goroutines() {
  auto [reader, reader_peer] = must(netpoll::socket_pair());
  (void)reader.set_read_deadline(netpoll::after(1h));
  const std::string reader_fd = std::to_string(reader.fd());
  tell_and_go("reason=io fd=" + reader_fd + " mode=0 deadline=1 kind=unix",
              [reader = std::move(reader), peer = std::move(reader_peer)]() mutable {
                auto buffer = scratch();
                (void)reader.read(buffer);
              });
  auto [read_end, write_end] = must(netpoll::pipe());
  const std::string writer_fd = std::to_string(write_end.fd());
  tell_and_go("reason=io fd=" + writer_fd + " mode=1 deadline=0 kind=pipe",
              [read_end = std::move(read_end), write_end = std::move(write_end)]() mutable {
                const std::vector<std::byte> much(1 << 22);
                (void)write_end.write(much);
              });
  // One whose registration somebody removes and one that somebody takes for his own.
  for (const int op : {EPOLL_CTL_DEL, EPOLL_CTL_MOD}) {
    auto [victim, victim_peer] = must(netpoll::socket_pair());
    const int fd = victim.fd();
    tell_and_go("reason=io fd=" + std::to_string(fd) + " mode=0 deadline=0 kind=unix foreign=1",
                [victim = std::move(victim), peer = std::move(victim_peer)]() mutable {
                  auto buffer = scratch();
                  (void)victim.read(buffer);
                });
    epoll_event own{.events = EPOLLIN, .data = {.fd = fd}};
    if (epoll_ctl(runtime_epfd(), op, fd, &own) != 0) std::exit(1);
  }
  tell_and_go("reason=chan fd=-1", [] {
    const netpoll::Channel<int> channel;
    (void)channel.recv();
  });
  tell_and_go("reason=sleep fd=-1", [] { (void)netpoll::sleep(1h); });
}

void play(netpoll::Conn conn, bool serve) {
  std::array<std::byte, 1> ball{};
  if (serve) (void)conn.write(ball);
  while (conn.read_full(ball) && conn.write(ball)) {
  }
}

void read_until_closed(netpoll::Conn conn) {
  auto buffer = scratch();
  (void)conn.read(buffer);
}

void serve(int count) {
  start_special_goroutines();
  auto [left, right] = must(netpoll::socket_pair());
  netpoll::go([conn = std::move(left)]() mutable { play(std::move(conn), true); });
  netpoll::go([conn = std::move(right)]() mutable { play(std::move(conn), false); });

  auto listener = std::make_shared<netpoll::Listener>(must(netpoll::Listener::listen("127.0.0.1:0")));
  tell_and_go("reason=io fd=" + std::to_string(listener->fd()) +
                  " mode=0 deadline=0 kind=tcp state=LISTEN local=" + listener->local().str(),
              [listener] {
                while (auto conn = listener->accept()) {
                  netpoll::go([conn = std::move(*conn)]() mutable { read_until_closed(std::move(conn)); });
                }
              });
  // Each connection parks two goroutines: the one that accepts it starts the other.
  for (int i = 0; i < count / 2; ++i) {
    auto conn = must(netpoll::dial(listener->local()));
    netpoll::go([conn = std::move(conn)]() mutable { read_until_closed(std::move(conn)); });
  }
  std::puts("ready");
  std::fflush(stdout);
  auto input = must(netpoll::Conn::adopt(netpoll::Fd(0)));
  auto buffer = scratch();
  (void)input.read(buffer);
}

}  // namespace

int main(int argc, char** argv) {
  const int count = argc == 2 ? std::atoi(argv[1]) : 0;
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  netpoll::Runtime runtime({.procs = 2, .name = "parked"});
  runtime.run([count] { serve(count); });
  return 0;
}
