// Deadlines of reads and writes that park, and of those that do not.
#include "netpoll/net/deadline.h"

#include <array>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "netpoll/go.h"
#include "netpoll/net/conn.h"
#include "netpoll/net/listener.h"
#include "netpoll/net/pipe.h"
#include "netpoll/runtime.h"
#include "netpoll/sync/wait_group.h"
#include "tests/libruntime/net/support.h"
#include "tests/support/catch.h"
#include "tests/support/procs.h"

namespace netpoll {
namespace {

using namespace std::chrono_literals;
using test::Checks;
using test::outcome;
using test::read_some;

std::string read_outcome(Conn& conn) {
  std::array<std::byte, 64> buffer;
  return outcome(conn.read(buffer));
}

// Writes until the deadline, a close or an error ends it.
std::string fill(Conn& conn) {
  const std::vector<std::byte> chunk(256 * 1024);
  for (;;) {
    auto written = conn.write(chunk);
    if (!written) return outcome(written);
  }
}

}  // namespace

TEST_CASE("a deadline in the past ends the next read and write at once") {
  test::in_every_setup([](Checks& checks) {
    auto sockets = socket_pair();
    EXPECT_EQUAL(checks, outcome(sockets->second.write("data")), "ok");
    for (TimePoint past : {after(-1s), TimePoint::min(), TimePoint()}) {
      EXPECT_EQUAL(checks, outcome(sockets->first.set_deadline(past)), "ok");
      EXPECT_EQUAL(checks, read_outcome(sockets->first), "timeout");
      EXPECT_EQUAL(checks, outcome(sockets->first.write("x")), "timeout");
    }
    EXPECT_EQUAL(checks, outcome(sockets->first.set_deadline(kNoDeadline)), "ok");
    EXPECT_EQUAL(checks, read_some(sockets->first), "data");
    EXPECT_EQUAL(checks, outcome(sockets->first.write("x")), "ok");
  });
}

TEST_CASE("a deadline in the past is known as one after a rest in which nothing ran and no clock was read") {
  std::string second;
  bool wrote = false;
  std::thread outside;
  Runtime runtime({.procs = test::procs()});
  runtime.run([&] {
    auto ends = pipe();
    outside = std::thread([&wrote, fd = ends->second.fd()] {
      std::this_thread::sleep_for(1500ms);
      wrote = test::write_from_outside(fd, "ab");
    });
    std::array<std::byte, 1> first;
    if (!ends->first.read(first)) return;
    if (!ends->first.set_read_deadline(after(-100ms))) return;
    second = read_outcome(ends->first);
  });
  outside.join();
  CHECK(wrote);
  CHECK(second == "timeout");
}

TEST_CASE("a deadline ends a parked read and the connection lives on") {
  test::in_every_setup([](Checks& checks) {
    auto sockets = socket_pair();
    for (int round = 0; round < 3; ++round) {
      EXPECT_EQUAL(checks, outcome(sockets->first.set_read_deadline(after(3ms))), "ok");
      EXPECT_EQUAL(checks, read_outcome(sockets->first), "timeout");
      EXPECT_EQUAL(checks, read_outcome(sockets->first), "timeout");
    }
    EXPECT_EQUAL(checks, outcome(sockets->second.write("late")), "ok");
    EXPECT_EQUAL(checks, read_outcome(sockets->first), "timeout");
    EXPECT_EQUAL(checks, outcome(sockets->first.set_read_deadline(after(20s))), "ok");
    EXPECT_EQUAL(checks, read_some(sockets->first), "late");
  });
}

TEST_CASE("a deadline ends a parked write") {
  test::in_every_setup([](Checks& checks) {
    auto sockets = socket_pair();
    EXPECT_EQUAL(checks, outcome(sockets->first.set_write_deadline(after(10ms))), "ok");
    EXPECT_EQUAL(checks, fill(sockets->first), "timeout");
    // The other direction has its own.
    EXPECT_EQUAL(checks, outcome(sockets->second.write("x")), "ok");
    EXPECT_EQUAL(checks, read_some(sockets->first), "x");
  });
}

TEST_CASE("one deadline for both directions ends both") {
  test::in_every_setup([](Checks& checks) {
    auto sockets = socket_pair();
    EXPECT_EQUAL(checks, outcome(sockets->first.set_deadline(after(15ms))), "ok");
    std::string reading, writing;
    WaitGroup done;
    done.add(2);
    go([&] {
      reading = read_outcome(sockets->first);
      done.done();
    });
    go([&] {
      writing = fill(sockets->first);
      done.done();
    });
    done.wait();
    EXPECT_EQUAL(checks, reading, "timeout");
    EXPECT_EQUAL(checks, writing, "timeout");
  });
}

TEST_CASE("a deadline set, moved or put into the past while a read is parked counts for it") {
  test::in_every_setup([](Checks& checks) {
    for (const auto& moves : std::vector<std::vector<TimePoint>>{
             {after(-1s)}, {after(5ms)}, {after(1h), after(5ms)}, {after(1h), kNoDeadline, after(-1s)}}) {
      auto sockets = socket_pair();
      std::string reading;
      WaitGroup done;
      done.add(1);
      go([&] {
        reading = read_outcome(sockets->first);
        done.done();
      });
      EXPECT_THAT(checks, test::parked_on(checks, sockets->first.fd(), 0));
      for (TimePoint when : moves) EXPECT_EQUAL(checks, outcome(sockets->first.set_read_deadline(when)), "ok");
      done.wait();
      EXPECT_EQUAL(checks, reading, "timeout");
    }
  });
}

TEST_CASE("a deadline that was cleared or moved away does not fire") {
  test::in_every_setup([](Checks& checks) {
    for (TimePoint instead : {kNoDeadline, after(1h)}) {
      auto sockets = socket_pair();
      EXPECT_EQUAL(checks, outcome(sockets->first.set_read_deadline(after(20ms))), "ok");
      std::string reading;
      WaitGroup done;
      done.add(1);
      go([&] {
        reading = read_some(sockets->first);
        done.done();
      });
      EXPECT_EQUAL(checks, outcome(sockets->first.set_read_deadline(instead)), "ok");
      static_cast<void>(sleep(30ms));
      EXPECT_EQUAL(checks, outcome(sockets->second.write("in time")), "ok");
      done.wait();
      // If 20 ms passed before the deadline was moved, the timeout was right.
      EXPECT_THAT(checks, reading == "in time" || reading.find("deadline exceeded") != std::string::npos);
    }
  });
}

TEST_CASE("a deadline applies to accept") {
  test::in_every_setup([](Checks& checks) {
    auto listener = Listener::listen("127.0.0.1:0");
    EXPECT_EQUAL(checks, outcome(listener->set_deadline(after(5ms))), "ok");
    auto accepted = listener->accept();
    EXPECT_EQUAL(checks, outcome(accepted), "timeout");
    EXPECT_EQUAL(checks, accepted.error().message(), "accept " + listener->local().str() + ": deadline exceeded");
  });
}

TEST_CASE("timeouts and data race without losing either") {
  test::in_every_setup([](Checks& checks) {
    auto sockets = socket_pair();
    constexpr int kMessages = 300;
    WaitGroup done;
    done.go([&] {
      for (int i = 0; i < kMessages; ++i) {
        EXPECT_EQUAL(checks, outcome(sockets->second.write("m")), "ok");
        if (i % 3 == 0) static_cast<void>(sleep(std::chrono::microseconds(50 * (i % 7))));
      }
      EXPECT_EQUAL(checks, outcome(sockets->second.close_write()), "ok");
    });
    std::size_t received = 0;
    for (int i = 0;; ++i) {
      EXPECT_EQUAL(checks, outcome(sockets->first.set_read_deadline(after(std::chrono::microseconds(40 * (i % 5))))),
                   "ok");
      std::array<std::byte, 16> buffer;
      auto n = sockets->first.read(buffer);
      if (!n && n.error().is(ErrorKind::kTimeout)) continue;
      if (!n || *n == 0) break;
      received += *n;
    }
    done.wait();
    EXPECT_EQUAL(checks, received, static_cast<std::size_t>(kMessages));
  });
}

}  // namespace netpoll
