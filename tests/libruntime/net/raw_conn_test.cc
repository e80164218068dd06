// The descriptor itself in the hands of a callback.
#include "netpoll/net/raw_conn.h"

#include <sys/socket.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <optional>
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

TEST_CASE("others run while the callback of a raw read leaves what is there") {
  test::in_every_setup([](Checks& checks) {
    auto sockets = socket_pair();
    std::atomic<bool> called{false}, allowed{false};
    WaitGroup done;
    EXPECT_EQUAL(checks, outcome(sockets->second.write("x")), "ok");
    done.go([&] {
      const auto f = [&](int) {
        called = true;
        return allowed.load();
      };
      EXPECT_EQUAL(checks, outcome(sockets->first.raw().read(f)), "ok");
    });
    done.go([&] {
      test::until([&] { return called.load(); });
      allowed = true;
      // Where a wait ends by a change alone: here it is.
      EXPECT_EQUAL(checks, outcome(sockets->second.write("y")), "ok");
    });
    done.wait();
    std::string got = read_some(sockets->first);
    if (got.size() == 1) got += read_some(sockets->first);
    EXPECT_EQUAL(checks, got, "xy");
  });
}

TEST_CASE("a raw read of a pipe parks until there is something, and until its end") {
  test::in_every_setup([](Checks& checks) {
    auto ends = pipe();
    Conn& reader = ends->first;
    Conn& writer = ends->second;
    std::atomic<int> calls{0};
    std::string got;
    const auto read_raw = [&] {
      EXPECT_EQUAL(checks, outcome(reader.raw().read([&](int fd) {
                     ++calls;
                     const std::optional<std::string> there = test::read_from_outside(fd);
                     got += there.value_or("");
                     return there.has_value();
                   })),
                   "ok");
    };
    WaitGroup done;
    done.go(read_raw);
    EXPECT_THAT(checks, test::parked_on(checks, reader.fd(), 0));
    EXPECT_EQUAL(checks, calls.load(), 1);
    EXPECT_EQUAL(checks, outcome(writer.write("hello")), "ok");
    done.wait();
    EXPECT_EQUAL(checks, got, "hello");
    EXPECT_EQUAL(checks, calls.load(), 2);
    done.go(read_raw);
    EXPECT_THAT(checks, test::parked_on(checks, reader.fd(), 0));
    EXPECT_EQUAL(checks, outcome(writer.close()), "ok");
    done.wait();
    EXPECT_EQUAL(checks, got, "hello");
  });
}

TEST_CASE("deadlines and close end a raw read of a pipe") {
  test::in_every_setup([](Checks& checks) {
    auto ends = pipe();
    Conn& reader = ends->first;
    EXPECT_EQUAL(checks, outcome(reader.set_read_deadline(after(5ms))), "ok");
    EXPECT_EQUAL(checks, outcome(reader.raw().read([](int) { return false; })), "timeout");
    EXPECT_EQUAL(checks, outcome(reader.set_read_deadline(kNoDeadline)), "ok");
    WaitGroup done;
    done.go([&] { EXPECT_EQUAL(checks, outcome(reader.raw().read([](int) { return false; })), "closing"); });
    EXPECT_THAT(checks, test::parked_on(checks, reader.fd(), 0));
    EXPECT_EQUAL(checks, outcome(reader.close()), "ok");
    done.wait();
  });
}

TEST_CASE("a raw write parks while its callback says so") {
  test::in_every_setup([](Checks& checks) {
    auto sockets = socket_pair();
    std::size_t written = 0;
    std::atomic<int> calls{0};
    WaitGroup done;
    done.go([&] {
      EXPECT_EQUAL(checks, outcome(sockets->first.raw().write([&](int fd) {
                     static const std::array<char, 65536> chunk{};
                     ++calls;
                     while (written < 16'000'000) {
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
    // It sleeps while there is no room. The second call is of an edge that came before the first one.
    EXPECT_EQUAL(checks, outcome(sleep(20ms)), "ok");
    EXPECT_THAT(checks, calls.load() <= 2);
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

TEST_CASE("deadlines and close end a raw write for which there is no room") {
  test::in_every_setup([](Checks& checks) {
    auto sockets = socket_pair();
    const RawConn raw = sockets->first.raw();
    const auto fill = [](int fd) {
      static const std::array<char, 65536> chunk{};
      while (send(fd, chunk.data(), chunk.size(), MSG_DONTWAIT | MSG_NOSIGNAL) > 0) {
      }
      return false;
    };
    EXPECT_EQUAL(checks, outcome(sockets->first.set_write_deadline(after(5ms))), "ok");
    EXPECT_EQUAL(checks, outcome(raw.write(fill)), "timeout");
    EXPECT_EQUAL(checks, outcome(sockets->first.set_write_deadline(kNoDeadline)), "ok");
    std::string end;
    WaitGroup done;
    done.go([&] { end = outcome(raw.write(fill)); });
    EXPECT_THAT(checks, test::parked_on(checks, sockets->first.fd(), 1));
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

}  // namespace netpoll
