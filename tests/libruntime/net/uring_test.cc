// What io_uring alone can get wrong: more operations than its queues hold, ends under operations that the kernel owns,
// and the system calls that a round of them takes.
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "libruntime/context/sanitizer.h"
#include "netpoll/go.h"
#include "netpoll/net/dial.h"
#include "netpoll/net/packet_conn.h"
#include "netpoll/net/pipe.h"
#include "netpoll/sync/wait_group.h"
#include "tests/libruntime/net/support.h"
#include "tests/support/catch.h"
#include "tests/support/skip.h"

namespace netpoll {
namespace {

using namespace std::chrono_literals;
using test::Checks;
using test::outcome;
using test::tracepoints;

std::string why_not() {
#if defined(NETPOLL_TSAN)
  // net_test runs over io_uring there, too.
  return "ThreadSanitizer knows some 8,000 goroutines, those that have ended among them; here are more";
#else
  const auto works = try_poller(PollerKind::kUring);
  return works ? std::string() : works.error().message() + "; " + works.error().hint();
#endif
}

void over_uring(const std::function<void(Checks&)>& body) {
  for (const PollMode mode : {PollMode::kThread, PollMode::kInline, PollMode::kHybrid}) {
    test::in_setup({.procs = test::procs(), .poll_mode = mode, .poller = PollerKind::kUring}, body);
  }
}

// A peer that ends the connection by a reset.
void reset(Checks& checks, Conn& conn) {
  const linger now{.l_onoff = 1, .l_linger = 0};
  EXPECT_EQUAL(checks, outcome(conn.raw().control([&](int fd) {
                 EXPECT_EQUAL(checks, setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now), 0);
               })),
               "ok");
  EXPECT_EQUAL(checks, outcome(conn.close()), "ok");
}

// An address of the loopback that other processes are not likely to have, so that nobody takes a port of it that is
// free.
std::string own_loopback() {
  const auto pid = static_cast<unsigned>(getpid());
  return "127." + std::to_string(1 + pid % 250) + "." + std::to_string(pid / 250 % 250) + "." +
         std::to_string(1 + pid / 62'500 % 250);
}

}  // namespace

TEST_CASE("thousands of reads and writes at once, more than the queues of io_uring hold, all end") {
  if (const std::string reason = why_not(); !reason.empty()) NETPOLL_SKIP(reason);
  over_uring([](Checks& checks) {
    constexpr int kPairs = 3000;  // 512 submissions and 4096 completions have room
    std::atomic<int> right{0};
    std::vector<std::pair<Conn, Conn>> pairs;
    for (int i = 0; i < kPairs; ++i) {
      auto pair = socket_pair();
      EXPECT_EQUAL(checks, outcome(pair), "ok");
      if (!pair) return;
      pairs.push_back(std::move(*pair));
    }
    WaitGroup done;
    for (auto& pair : pairs) {
      for (Conn* conn : {&pair.first, &pair.second}) {
        done.go([&right, conn] {
          std::byte got{};
          if (conn->read(std::span(&got, 1)).value_or(0) == 1 && got == std::byte{'x'}) ++right;
        });
      }
    }
    EXPECT_THAT(checks, test::parked_for(checks, WaitReason::kIoWait, 2 * kPairs));
    for (auto& pair : pairs) {
      for (Conn* conn : {&pair.first, &pair.second}) {
        done.go([&right, conn] {
          if (conn->write("x")) ++right;
        });
      }
    }
    done.wait();
    EXPECT_EQUAL(checks, right.load(), 4 * kPairs);
  });
}

TEST_CASE("all of many reads under way end when their connections are closed, or their deadline passes") {
  if (const std::string reason = why_not(); !reason.empty()) NETPOLL_SKIP(reason);
  over_uring([](Checks& checks) {
    constexpr int kPairs = 1000;
    std::atomic<int> closed{0}, late{0};
    std::vector<std::pair<Conn, Conn>> pairs;
    for (int i = 0; i < kPairs; ++i) pairs.push_back(std::move(*socket_pair()));
    WaitGroup done;
    for (auto& pair : pairs) {
      done.go([&] {
        std::array<std::byte, 16> buffer;
        if (outcome(pair.first.read(buffer)) == "closing") ++closed;
      });
      done.go([&] {
        std::array<std::byte, 16> buffer;
        if (outcome(pair.second.set_read_deadline(after(30ms))) != "ok") return;
        if (outcome(pair.second.read(buffer)) == "timeout") ++late;
      });
    }
    EXPECT_THAT(checks, test::soon([&] { return late == kPairs; }));
    for (auto& pair : pairs) EXPECT_EQUAL(checks, outcome(pair.first.close()), "ok");
    done.wait();
    EXPECT_EQUAL(checks, closed.load(), kPairs);
  });
}

TEST_CASE("a read whose deadline passes while its bytes come either has them or leaves them to the next one") {
  if (const std::string reason = why_not(); !reason.empty()) NETPOLL_SKIP(reason);
  over_uring([](Checks& checks) {
    auto pair = socket_pair();
    constexpr int kRounds = 300;
    int timeouts = 0;
    for (int i = 0; i < kRounds; ++i) {
      WaitGroup done;
      done.go([&] {
        static_cast<void>(sleep(std::chrono::microseconds(i % 7 * 30)));
        EXPECT_EQUAL(checks, outcome(pair->first.write(std::string(1, static_cast<char>('a' + i % 26)))), "ok");
      });
      std::array<std::byte, 16> buffer;
      EXPECT_EQUAL(checks, outcome(pair->second.set_read_deadline(after(100us))), "ok");
      auto n = pair->second.read(buffer);
      if (!n) {
        EXPECT_EQUAL(checks, outcome(n), "timeout");
        ++timeouts;
        EXPECT_EQUAL(checks, outcome(pair->second.set_read_deadline(kNoDeadline)), "ok");
        n = pair->second.read(buffer);
      }
      EXPECT_EQUAL(checks, n.value_or(0), 1u);
      EXPECT_EQUAL(checks, static_cast<char>(buffer[0]), static_cast<char>('a' + i % 26));
      done.wait();
    }
    EXPECT_THAT(checks, timeouts <= kRounds);
  });
}

TEST_CASE("a reset under a read, and a close under an accept, end them; the port is free again") {
  if (const std::string reason = why_not(); !reason.empty()) NETPOLL_SKIP(reason);
  over_uring([](Checks& checks) {
    for (int round = 0; round < 20; ++round) {
      auto [client, server] = test::tcp_pair(checks);
      std::string end;
      WaitGroup done;
      done.go([&, &server = server] {
        std::array<std::byte, 16> buffer;
        auto n = server.read(buffer);
        end = n ? "ok" : std::to_string(n.error().sys_errno());
      });
      EXPECT_THAT(checks, test::parked_on(checks, server.fd(), 0));
      reset(checks, client);
      done.wait();
      EXPECT_EQUAL(checks, end, std::to_string(ECONNRESET));

      auto listener = Listener::listen(own_loopback() + ":0");
      const Addr address = listener->local();
      std::string accepted;
      done.go([&] { accepted = outcome(listener->accept()); });
      EXPECT_THAT(checks, test::parked_on(checks, listener->fd(), 0));
      EXPECT_EQUAL(checks, outcome(listener->close()), "ok");
      done.wait();
      EXPECT_EQUAL(checks, accepted, "closing");
      // The kernel tells the end of an operation before it lets go of the file (io_free_req, io_uring/io_uring.c), so
      // another thread may close the last descriptor in between, and the socket lives a moment longer.
      test::until([&] { return Listener::listen(address).has_value(); });
    }
  });
}

TEST_CASE("an operation goes on when the thread ends that handed it to the kernel") {
  if (const std::string reason = why_not(); !reason.empty()) NETPOLL_SKIP(reason);
  over_uring([](Checks& checks) {
    constexpr int kRounds = 50;
    auto other = test::tcp_pair(checks);
    for (int round = 0; round < kRounds; ++round) {
      auto [client, server] = test::tcp_pair(checks);
      std::string got, ready;
      WaitGroup done;
      done.go([&, &server = server] { got = test::read_some(server); });
      done.go([&, &client = client] { ready = outcome(client.wait_readable()); });
      netpoll::yield();
      // A deadline before all others ends the poll under way, and with that hands over what is queued.
      std::thread([&] {
        EXPECT_EQUAL(checks, outcome(other.first.set_read_deadline(after(std::chrono::milliseconds(kRounds - round)))),
                     "ok");
      }).join();
      EXPECT_THAT(checks, test::parked_on(checks, server.fd(), 0));
      EXPECT_THAT(checks, test::parked_on(checks, client.fd(), 0));
      EXPECT_EQUAL(checks, ready, "");
      EXPECT_EQUAL(checks, outcome(client.write("a")), "ok");
      EXPECT_EQUAL(checks, outcome(server.write("b")), "ok");
      done.wait();
      EXPECT_EQUAL(checks, got, "a");
      EXPECT_EQUAL(checks, ready, "ok");
    }
  });
}

TEST_CASE("what nobody has read yet stays in the socket") {
  if (const std::string reason = why_not(); !reason.empty()) NETPOLL_SKIP(reason);
  over_uring([](Checks& checks) {
    auto [client, server] = test::tcp_pair(checks);
    EXPECT_EQUAL(checks, outcome(client.write("abcdef")), "ok");
    EXPECT_EQUAL(checks, test::read_some(server, 2), "ab");
    EXPECT_EQUAL(checks, outcome(server.wait_readable()), "ok");
    std::string raw;
    EXPECT_EQUAL(checks, outcome(server.raw().read([&](int fd) {
                   char buffer[3];
                   const ssize_t n = recv(fd, buffer, sizeof buffer, 0);
                   if (n > 0) raw.assign(buffer, static_cast<std::size_t>(n));
                   return n > 0;
                 })),
                 "ok");
    EXPECT_EQUAL(checks, raw, "cde");
    EXPECT_EQUAL(checks, test::read_some(server), "f");
  });
}

TEST_CASE("a round of many connections takes one look into the kernel, not one for each of them") {
  if (const std::string reason = why_not(); !reason.empty()) NETPOLL_SKIP(reason);
  test::in_setup({.procs = 1, .poller = PollerKind::kUring}, [](Checks& checks) {
    constexpr int kConns = 64;
    constexpr int kMessages = 50;
    std::vector<std::pair<Conn, Conn>> pairs;
    for (int i = 0; i < kConns; ++i) pairs.push_back(test::tcp_pair(checks));
    const std::uint64_t before = tracepoints(checks, trace::Tp::poll_enter);
    WaitGroup done;
    for (auto& pair : pairs) {
      done.go([&] {
        std::array<std::byte, 64> buffer;
        for (;;) {
          auto n = pair.second.read(buffer);
          if (!n || *n == 0) return;
          EXPECT_EQUAL(checks, outcome(pair.second.write(std::span(buffer).first(*n))), "ok");
        }
      });
      done.go([&] {
        const std::string message(64, 'm');
        std::array<std::byte, 64> buffer;
        for (int i = 0; i < kMessages; ++i) {
          EXPECT_EQUAL(checks, outcome(pair.first.write(message)), "ok");
          EXPECT_EQUAL(checks, pair.first.read(buffer).value_or(0), message.size());
        }
        EXPECT_EQUAL(checks, outcome(pair.first.close()), "ok");
      });
    }
    done.wait();
    // Both sides are here: four operations a message.
    EXPECT_THAT(checks, tracepoints(checks, trace::Tp::poll_enter) - before < kConns * kMessages / 4);
  });
}

}  // namespace netpoll
