// Datagrams, connected and not.
#include "netpoll/net/packet_conn.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <string>
#include <vector>

#include "netpoll/go.h"
#include "netpoll/sync/wait_group.h"
#include "tests/libruntime/net/support.h"

namespace netpoll {
namespace {

using namespace std::chrono_literals;
using test::bytes;
using test::Checks;
using test::outcome;

std::string receive(PacketConn& conn, Addr* from = nullptr, std::size_t size = 2048) {
  std::vector<std::byte> buffer(size);
  auto n = conn.read_from(buffer, from);
  if (!n) return "<" + outcome(n) + ">";
  return std::string(reinterpret_cast<const char*>(buffer.data()), *n);
}

}  // namespace

TEST_CASE("datagrams arrive one by one, with their sender") {
  test::in_every_setup([](Checks& checks) {
    const std::string unix_a = "unix:" + test::fresh_path("a");
    const std::string unix_b = "unix:@" + test::fresh_path("b");
    for (const auto& [first, second] :
         std::vector<std::pair<std::string, std::string>>{{"127.0.0.1:0", "127.0.0.1:0"}, {unix_a, unix_b}}) {
      auto a = PacketConn::bind(first);
      auto b = PacketConn::bind(second);
      EXPECT_EQUAL(checks, outcome(a), "ok");
      EXPECT_EQUAL(checks, outcome(b), "ok");
      for (const char* text : {"one", "", "three"}) {
        EXPECT_EQUAL(checks, outcome(a->write_to(bytes(text), b->local())), "ok");
      }
      Addr from;
      EXPECT_EQUAL(checks, receive(*b, &from), "one");
      EXPECT_EQUAL(checks, from.str(), a->local().str());
      EXPECT_EQUAL(checks, receive(*b), "");
      EXPECT_EQUAL(checks, receive(*b, nullptr, 2), "th");

      std::string answer;
      WaitGroup done;
      done.go([&] { answer = receive(*a); });
      EXPECT_THAT(checks, test::parked_on(checks, a->fd(), 0));
      EXPECT_EQUAL(checks, outcome(b->write_to(bytes("back"), from)), "ok");
      done.wait();
      EXPECT_EQUAL(checks, answer, "back");
    }
  });
}

TEST_CASE("a connected datagram socket talks to its peer and hears that nobody is there") {
  test::in_every_setup([](Checks& checks) {
    auto server = PacketConn::bind("127.0.0.1:0");
    auto client = PacketConn::connect(server->local());
    EXPECT_EQUAL(checks, client->peer().str(), server->local().str());
    EXPECT_EQUAL(checks, outcome(client->write(bytes("ping"))), "ok");
    Addr from;
    EXPECT_EQUAL(checks, receive(*server, &from), "ping");
    EXPECT_EQUAL(checks, from.str(), client->local().str());
    EXPECT_EQUAL(checks, outcome(server->write_to(bytes("pong"), from)), "ok");
    EXPECT_EQUAL(checks, receive(*client), "pong");
    EXPECT_EQUAL(checks, outcome(server->write(bytes("whom?"))), "system");
    EXPECT_EQUAL(checks, outcome(server->close()), "ok");
    EXPECT_EQUAL(checks, outcome(client->write(bytes("anybody?"))), "ok");
    std::array<std::byte, 8> buffer;
    auto n = client->read(buffer);
    EXPECT_THAT(checks, !n && n.error().sys_errno() == ECONNREFUSED);
    // An error of the past, not the end of the socket.
    EXPECT_EQUAL(checks, outcome(client->set_read_deadline(after(5ms))), "ok");
    EXPECT_EQUAL(checks, outcome(client->read(buffer)), "timeout");
  });
}

TEST_CASE("many datagrams pass through without a stall") {
  test::in_every_setup([](Checks& checks) {
    auto server = PacketConn::bind("127.0.0.1:0");
    auto client = PacketConn::connect(server->local());
    constexpr int kRounds = 500;
    WaitGroup done;
    done.go([&] {
      Addr from;
      for (int i = 0; i < kRounds; ++i) {
        const std::string text = receive(*server, &from);
        EXPECT_EQUAL(checks, outcome(server->write_to(bytes(text), from)), "ok");
      }
    });
    int right = 0;
    for (int i = 0; i < kRounds; ++i) {
      EXPECT_EQUAL(checks, outcome(client->write(bytes(std::to_string(i)))), "ok");
      if (receive(*client) == std::to_string(i)) ++right;
    }
    EXPECT_EQUAL(checks, right, kRounds);
    done.wait();
  });
}

TEST_CASE("a Unix datagram to a receiver with a full queue waits for room") {
  test::in_every_setup([](Checks& checks) {
    for (const bool connected : {true, false}) {
      auto receiver = PacketConn::bind("unix:@" + test::fresh_path("full"));
      auto sender =
          connected ? PacketConn::connect(receiver->local()) : PacketConn::bind("unix:@" + test::fresh_path("s"));
      constexpr int kMessages = 1000;  // net.unix.max_dgram_qlen is 10 or 512
      std::atomic<int> sent{0};
      WaitGroup done;
      done.go([&] {
        for (int i = 0; i < kMessages; ++i) {
          auto n = connected ? sender->write(bytes("m")) : sender->write_to(bytes("m"), receiver->local());
          EXPECT_EQUAL(checks, outcome(n), "ok");
          ++sent;
        }
      });
      if (connected) {
        EXPECT_THAT(checks, test::parked_on(checks, sender->fd(), 1));
      } else {
        EXPECT_THAT(checks, test::parked_for(checks, WaitReason::kSleep));
      }
      EXPECT_THAT(checks, sent < kMessages);
      int received = 0;
      while (received < kMessages && receive(*receiver) == "m") ++received;
      EXPECT_EQUAL(checks, received, kMessages);
      done.wait();
    }
  });
}

TEST_CASE("close and deadlines end a datagram write that waits for room") {
  test::in_every_setup([](Checks& checks) {
    auto receiver = PacketConn::bind("unix:@" + test::fresh_path("full"));
    auto sender = PacketConn::bind("unix:@" + test::fresh_path("s"));
    EXPECT_EQUAL(checks, outcome(sender->set_write_deadline(after(20ms))), "ok");
    Result<std::size_t> n = std::size_t{0};
    while (n) n = sender->write_to(bytes("m"), receiver->local());
    EXPECT_EQUAL(checks, outcome(n), "timeout");
    EXPECT_EQUAL(checks, outcome(sender->set_write_deadline(kNoDeadline)), "ok");
    std::string end;
    WaitGroup done;
    done.go([&] { end = outcome(sender->write_to(bytes("m"), receiver->local())); });
    EXPECT_THAT(checks, test::parked_for(checks, WaitReason::kSleep));
    EXPECT_EQUAL(checks, outcome(sender->close()), "ok");
    done.wait();
    EXPECT_EQUAL(checks, end, "closing");
  });
}

TEST_CASE("close ends a parked receive, and the file of the address goes") {
  test::in_every_setup([](Checks& checks) {
    const std::string path = test::fresh_path("gone");
    auto conn = PacketConn::bind("unix:" + path);
    struct stat status;
    EXPECT_EQUAL(checks, stat(path.c_str(), &status), 0);
    std::string end;
    WaitGroup done;
    done.go([&] { end = receive(*conn); });
    EXPECT_THAT(checks, test::parked_on(checks, conn->fd(), 0));
    EXPECT_EQUAL(checks, outcome(conn->close()), "ok");
    done.wait();
    EXPECT_EQUAL(checks, end, "<closing>");
    EXPECT_EQUAL(checks, stat(path.c_str(), &status), -1);
    EXPECT_EQUAL(checks, outcome(conn->close()), "closing");
    EXPECT_EQUAL(checks, receive(*conn), "<closing>");
  });
}

TEST_CASE("datagram sockets from elsewhere are adopted, others are not") {
  test::in_every_setup([](Checks& checks) {
    int fds[2];
    EXPECT_EQUAL(checks, socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, fds), 0);
    auto a = PacketConn::adopt(Fd(fds[0]));
    auto b = PacketConn::adopt(Fd(fds[1]));
    EXPECT_EQUAL(checks, outcome(a->write(bytes("x"))), "ok");
    EXPECT_EQUAL(checks, receive(*b), "x");
    EXPECT_EQUAL(checks, outcome(PacketConn::adopt(Fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)))), "invalid");
    PacketConn nothing;
    EXPECT_EQUAL(checks, receive(nothing), "<closing>");
    nothing = std::move(*a);
    EXPECT_EQUAL(checks, outcome(nothing.write(bytes("y"))), "ok");
    EXPECT_EQUAL(checks, receive(*b), "y");
  });
}

}  // namespace netpoll
