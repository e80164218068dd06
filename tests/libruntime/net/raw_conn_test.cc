// The descriptor itself in the hands of a callback.
#include "netpoll/net/raw_conn.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>

#include "netpoll/go.h"
#include "netpoll/net/listener.h"
#include "netpoll/net/packet_conn.h"
#include "netpoll/net/pipe.h"
#include "netpoll/sync/wait_group.h"
#include "tests/libruntime/net/support.h"

namespace netpoll {
namespace {

using namespace std::chrono_literals;
using test::Checks;
using test::outcome;
using test::read_some;

// How many descriptors the epoll instances of this process hold, as the kernel lists them. (With kqueue it is more than
// one per connection, or none.)
std::size_t registrations() {
  std::size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fdinfo")) {
    std::ifstream list(entry.path());
    for (std::string line; std::getline(list, line);) {
      if (line.rfind("tfd:", 0) == 0) ++count;
    }
  }
  return count;
}

}  // namespace

TEST_CASE("control runs on the descriptor while others read") {
  test::in_every_setup([](Checks& checks) {
    auto sockets = socket_pair();
    WaitGroup done;
    std::string got;
    done.go([&] { got = read_some(sockets->first); });
    EXPECT_THAT(checks, test::parked_on(checks, sockets->first.fd(), 0));
    int number = -1;
    EXPECT_EQUAL(checks, outcome(sockets->first.raw().control([&](int fd) { number = fd; })), "ok");
    EXPECT_EQUAL(checks, number, sockets->first.fd());
    EXPECT_EQUAL(checks, outcome(sockets->second.write("x")), "ok");
    done.wait();
    EXPECT_EQUAL(checks, got, "x");
  });
}

TEST_CASE("a raw read parks while its callback says so") {
  test::in_every_setup([](Checks& checks) {
    auto sockets = socket_pair();
    std::atomic<int> calls{0};
    std::string got;
    WaitGroup done;
    done.go([&] {
      EXPECT_EQUAL(checks, outcome(sockets->first.raw().read([&](int fd) {
                     ++calls;
                     char buffer[16];
                     const ssize_t n = recv(fd, buffer, sizeof buffer, MSG_DONTWAIT);
                     if (n < 0) return false;
                     got.assign(buffer, static_cast<std::size_t>(n));
                     return true;
                   })),
                   "ok");
    });
    EXPECT_THAT(checks, test::parked_on(checks, sockets->first.fd(), 0));
    EXPECT_EQUAL(checks, calls.load(), 1);
    EXPECT_EQUAL(checks, outcome(sockets->second.write("hello")), "ok");
    done.wait();
    EXPECT_EQUAL(checks, got, "hello");
    EXPECT_EQUAL(checks, calls.load(), 2);
  });
}

TEST_CASE("a raw write parks while its callback says so") {
  test::in_every_setup([](Checks& checks) {
    auto sockets = socket_pair();
    std::size_t written = 0;
    WaitGroup done;
    done.go([&] {
      EXPECT_EQUAL(checks, outcome(sockets->first.raw().write([&](int fd) {
                     static const std::array<char, 65536> chunk{};
                     while (written < 2'000'000) {
                       const ssize_t n = send(fd, chunk.data(), chunk.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
                       if (n < 0) return false;
                       written += static_cast<std::size_t>(n);
                     }
                     return true;
                   })),
                   "ok");
      EXPECT_EQUAL(checks, outcome(sockets->first.close()), "ok");
    });
    EXPECT_THAT(checks, test::parked_on(checks, sockets->first.fd(), 1));
    const std::size_t received = test::read_all(sockets->second).size();
    done.wait();
    EXPECT_EQUAL(checks, received, written);
  });
}

TEST_CASE("deadlines and close end a raw read") {
  test::in_every_setup([](Checks& checks) {
    auto sockets = socket_pair();
    const RawConn raw = sockets->first.raw();
    EXPECT_EQUAL(checks, outcome(sockets->first.set_read_deadline(after(5ms))), "ok");
    EXPECT_EQUAL(checks, outcome(raw.read([](int) { return false; })), "timeout");
    EXPECT_EQUAL(checks, outcome(sockets->first.set_read_deadline(kNoDeadline)), "ok");
    std::string end;
    WaitGroup done;
    done.go([&] { end = outcome(raw.read([](int) { return false; })); });
    EXPECT_THAT(checks, test::parked_on(checks, sockets->first.fd(), 0));
    EXPECT_EQUAL(checks, outcome(sockets->first.close()), "ok");
    done.wait();
    EXPECT_EQUAL(checks, end, "closing");
  });
}

TEST_CASE("a listener and a packet socket have raw access, a listener for control only") {
  test::in_default_setup([](Checks& checks) {
    auto listener = Listener::listen("127.0.0.1:0");
    const RawConn raw = listener->raw();
    int number = -1;
    EXPECT_EQUAL(checks, outcome(raw.control([&](int fd) { number = fd; })), "ok");
    EXPECT_EQUAL(checks, number, listener->fd());
    const auto never = [](int) { return true; };
    EXPECT_THAT(checks, raw.read(never).error().sys_errno() == EINVAL);
    EXPECT_THAT(checks, raw.write(never).error().sys_errno() == EINVAL);
    auto packets = PacketConn::bind("127.0.0.1:0");
    EXPECT_EQUAL(checks, outcome(packets->raw().write(never)), "ok");
  });
}

TEST_CASE("a RawConn outlives its connection and then says closing") {
  test::in_default_setup([](Checks& checks) {
    RawConn raw;
    EXPECT_EQUAL(checks, outcome(raw.control([](int) {})), "closing");
    {
      auto sockets = socket_pair();
      raw = sockets->first.raw();
      EXPECT_EQUAL(checks, outcome(raw.control([](int) {})), "ok");
    }
    bool called = false;
    EXPECT_EQUAL(checks, outcome(raw.control([&](int) { called = true; })), "closing");
    EXPECT_EQUAL(checks, outcome(raw.read([&](int) { return called = true; })), "closing");
    EXPECT_EQUAL(checks, outcome(raw.write([&](int) { return called = true; })), "closing");
    EXPECT_THAT(checks, !called);
  });
}

TEST_CASE("a descriptor duplicated in a callback does not keep the registration alive") {
  test::in_every_setup([](Checks& checks) {
    std::size_t with = 0;
    {
      auto sockets = socket_pair();
      with = registrations();
    }
    const std::size_t without = registrations();
    int copy = -1;
    {
      auto sockets = socket_pair();
      EXPECT_EQUAL(checks, outcome(sockets->first.raw().control([&](int fd) { copy = fcntl(fd, F_DUPFD_CLOEXEC, 0); })),
                   "ok");
      EXPECT_EQUAL(checks, registrations(), with);
    }
    EXPECT_EQUAL(checks, registrations(), without);
    close(copy);
  });
}

}  // namespace netpoll
