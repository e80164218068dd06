// How descriptors end: who is woken, who waits, and what a re-used number must not inherit.
#include <array>
#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "netpoll/go.h"
#include "netpoll/net/conn.h"
#include "netpoll/net/dial.h"
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

TEST_CASE("close ends parked reads and writes with closing") {
  test::in_every_setup([](Checks& checks) {
    auto sockets = socket_pair();
    Conn& conn = sockets->first;
    std::string reading, writing, waiting;
    WaitGroup done;
    done.add(3);
    go([&] {
      std::array<std::byte, 64> buffer;
      reading = outcome(conn.read(buffer));
      done.done();
    });
    EXPECT_THAT(checks, test::parked_on(checks, conn.fd(), 0));
    go([&] {  // behind the first reader, at the fd mutex
      std::array<std::byte, 64> buffer;
      waiting = outcome(conn.read(buffer));
      done.done();
    });
    go([&] {
      const std::vector<std::byte> chunk(1 << 20);
      Result<std::size_t> written = std::size_t{0};
      while (written) written = conn.write(chunk);
      writing = outcome(written);
      done.done();
    });
    EXPECT_THAT(checks, test::parked_for(checks, WaitReason::kFdMutex));
    EXPECT_THAT(checks, test::parked_on(checks, conn.fd(), 1));
    EXPECT_EQUAL(checks, outcome(conn.close()), "ok");
    done.wait();
    EXPECT_EQUAL(checks, reading, "closing");
    EXPECT_EQUAL(checks, waiting, "closing");
    EXPECT_EQUAL(checks, writing, "closing");
    EXPECT_EQUAL(checks, outcome(conn.close()), "closing");
  });
}

TEST_CASE("close ends a parked accept") {
  test::in_every_setup([](Checks& checks) {
    auto listener = Listener::listen("127.0.0.1:0");
    std::string accepting;
    WaitGroup done;
    done.add(1);
    go([&] {
      accepting = outcome(listener->accept());
      done.done();
    });
    EXPECT_THAT(checks, test::parked_on(checks, listener->fd(), 0));
    EXPECT_EQUAL(checks, outcome(listener->close()), "ok");
    done.wait();
    EXPECT_EQUAL(checks, accepting, "closing");
    EXPECT_EQUAL(checks, outcome(listener->accept()), "closing");
    EXPECT_EQUAL(checks, outcome(listener->close()), "closing");
  });
}

TEST_CASE("close waits for a running operation and its descriptor stays open until then") {
  test::in_every_setup([](Checks& checks) {
    auto sockets = socket_pair();
    std::atomic<bool> inside{false}, leave{false}, closed{false};
    WaitGroup done;
    done.add(2);
    go([&] {
      EXPECT_EQUAL(checks, outcome(sockets->first.raw().control([&](int fd) {
                     inside = true;
                     while (!leave) yield();
                     EXPECT_THAT(checks, test::is_open(fd));
                     EXPECT_THAT(checks, !closed);
                   })),
                   "ok");
      done.done();
    });
    EXPECT_THAT(checks, test::soon([&] { return inside.load(); }));
    go([&] {
      EXPECT_EQUAL(checks, outcome(sockets->first.close()), "ok");
      closed = true;
      done.done();
    });
    EXPECT_THAT(checks, test::parked_for(checks, WaitReason::kFdClose));
    EXPECT_EQUAL(checks, outcome(sockets->first.write("x")), "closing");
    leave = true;
    done.wait();
    EXPECT_THAT(checks, closed);
  });
}

TEST_CASE("of many closes exactly one succeeds") {
  test::in_every_setup([](Checks& checks) {
    for (int round = 0; round < 20; ++round) {
      auto sockets = socket_pair();
      std::atomic<int> ok{0};
      WaitGroup done;
      done.add(5);
      for (int i = 0; i < 5; ++i) {
        go([&] {
          if (sockets->first.close()) ++ok;
          done.done();
        });
      }
      done.wait();
      EXPECT_EQUAL(checks, ok.load(), 1);
    }
  });
}

TEST_CASE("a re-used descriptor number gets none of the old events") {
  test::in_every_setup([](Checks& checks) {
    auto listener = Listener::listen("127.0.0.1:0");
    const auto connected = [&] {
      auto dialled = dial(listener->local());
      auto accepted = listener->accept();
      EXPECT_EQUAL(checks, outcome(dialled) + outcome(accepted), "okok");
      return std::pair(std::move(*dialled), std::move(*accepted));
    };
    // Each round leaves an event (data, then a hang-up) of a closed descriptor behind, and takes its number again; but
    // on Windows a thread or lock that is made meanwhile may have it.
    int taken_again = 0;
    for (int round = 0; round < 100; ++round) {
      auto old_pair = connected();
      EXPECT_EQUAL(checks, outcome(old_pair.second.write("old")), "ok");
      const int number = old_pair.first.fd();
      EXPECT_EQUAL(checks, outcome(old_pair.first.close()), "ok");
      auto fresh = connected();
      Conn& reused = fresh.first.fd() == number ? fresh.first : fresh.second;
      Conn& other = fresh.first.fd() == number ? fresh.second : fresh.first;
      if (reused.fd() == number) ++taken_again;
      EXPECT_EQUAL(checks, outcome(old_pair.second.close()), "ok");
      std::string got;
      WaitGroup done;
      done.add(1);
      go([&] {
        got = read_some(reused);
        done.done();
      });
      if (round % 2 == 0) yield();
      EXPECT_EQUAL(checks, outcome(other.write("new")), "ok");
      done.wait();
      EXPECT_EQUAL(checks, got, "new");
    }
    EXPECT_THAT(checks, taken_again > 50);
  });
}

TEST_CASE("readers, deadlines and close race on many descriptors") {
  test::in_every_setup([](Checks& checks) {
    constexpr int kRounds = 60;
    std::atomic<int> unexpected{0};
    for (int round = 0; round < kRounds; ++round) {
      auto pair = std::make_unique<std::pair<Conn, Conn>>(std::move(*socket_pair()));
      WaitGroup done;
      done.add(4);
      const auto acceptable = [](const std::string& end) {
        return end == "closing" || end == "timeout" || end == "ok";
      };
      for (int reader = 0; reader < 2; ++reader) {
        go([&] {
          std::array<std::byte, 8> buffer;
          for (;;) {
            const std::string end = outcome(pair->first.read(buffer));
            if (!acceptable(end)) ++unexpected;
            if (end == "closing") break;
            yield();
          }
          done.done();
        });
      }
      go([&] {
        for (int i = 0;; ++i) {
          const std::string end = outcome(pair->first.set_read_deadline(i % 2 == 0 ? after(1us) : after(1h)));
          if (end == "closing") break;
          if (i % 5 == 0) static_cast<void>(pair->second.write("x"));
          yield();
        }
        done.done();
      });
      go([&, round] {
        for (int i = 0; i < round % 10; ++i) yield();
        if (!pair->first.close()) ++unexpected;
        done.done();
      });
      done.wait();
    }
    EXPECT_EQUAL(checks, unexpected.load(), 0);
  });
}

TEST_CASE("cancelling the runtime ends reads, writes, accepts and receives") {
  for (PollMode mode : {PollMode::kThread, PollMode::kInline, PollMode::kHybrid}) {
    for (Trigger trigger : {Trigger::kOneshot, Trigger::kEdge, Trigger::kLevel}) {
      const Config config{.procs = test::procs(), .poll_mode = mode, .trigger = trigger};
      INFO(test::setup_name(config));
      const std::size_t before = test::open_descriptors();
      std::atomic<int> canceled{0};
      {
        Runtime runtime(config);
        Checks checks(runtime, config);
        runtime.run([&] {
          WaitGroup started;
          started.add(4);
          go([&] {
            auto sockets = socket_pair();
            const int fd = sockets->first.fd();
            go([&, fd] {
              EXPECT_THAT(checks, test::parked_on(checks, fd, 0));
              started.done();
            });
            std::array<std::byte, 8> buffer;
            if (outcome(sockets->first.read(buffer)) == "canceled") ++canceled;
            if (outcome(sockets->first.write("x")) == "canceled") ++canceled;
          });
          go([&] {
            auto sockets = socket_pair();
            const int fd = sockets->first.fd();
            go([&, fd] {
              EXPECT_THAT(checks, test::parked_on(checks, fd, 1));
              started.done();
            });
            const std::vector<std::byte> much(8 << 20);
            if (outcome(sockets->first.write(much)) == "canceled") ++canceled;
          });
          go([&] {
            auto listener = Listener::listen("127.0.0.1:0");
            const int fd = listener->fd();
            go([&, fd] {
              EXPECT_THAT(checks, test::parked_on(checks, fd, 0));
              started.done();
            });
            if (outcome(listener->accept()) == "canceled") ++canceled;
          });
          go([&] {
            auto packets = PacketConn::bind("127.0.0.1:0");
            const int fd = packets->fd();
            go([&, fd] {
              EXPECT_THAT(checks, test::parked_on(checks, fd, 0));
              started.done();
            });
            std::array<std::byte, 8> buffer;
            if (outcome(packets->read_from(buffer)) == "canceled") ++canceled;
          });
          started.wait();
        });
        checks.report();
      }
      CHECK(canceled == 5);
      CHECK(test::open_descriptors() == before);
    }
  }
}

}  // namespace netpoll
