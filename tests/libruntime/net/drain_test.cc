// The drain rule (net/net_fd.h): a read that follows a short read parks first. What could break it.
#include <sys/socket.h>

#include <array>
#include <atomic>
#include <cstring>
#include <string>
#include <vector>

#include "netpoll/go.h"
#include "netpoll/net/conn.h"
#include "netpoll/net/dial.h"
#include "netpoll/net/listener.h"
#include "netpoll/net/pipe.h"
#include "netpoll/sync/wait_group.h"
#include "tests/libruntime/net/support.h"

namespace netpoll {
namespace {

using test::Checks;
using test::outcome;
using test::read_all;
using test::read_some;

// Asks, says that it has no more to say, and reads the answer.
void half_closing_client(const Addr& server, std::atomic<int>& answered) {
  auto conn = dial(server);
  if (!conn || !conn->write("question") || !conn->close_write()) return;
  if (read_all(*conn) == "answer") ++answered;
}

}  // namespace

TEST_CASE("400 of 400 half-closed peers are answered") {
  test::in_every_setup([](Checks& checks) {
    constexpr int kPeers = 400;
    for (const std::string& address : {std::string("127.0.0.1:0"), std::string("unix:@") + test::fresh_path("half")}) {
      auto listener = Listener::listen(address);
      WaitGroup done;
      done.go([&] {
        for (int i = 0; i < kPeers; ++i) {
          auto accepted = listener->accept();
          if (!accepted) return;
          done.go([conn = std::move(*accepted)]() mutable {
            if (read_all(conn) == "question") static_cast<void>(conn.write("answer"));
          });
        }
      });
      std::atomic<int> answered{0};
      for (int i = 0; i < kPeers; ++i) {
        done.go([&] { half_closing_client(listener->local(), answered); });
        // Most of them at once; every eighth alone, when the server is parked already.
        if (i % 8 == 0) {
          for (int round = 0; round < 20; ++round) yield();
        }
      }
      done.wait();
      EXPECT_EQUAL(checks, answered.load(), kPeers);
    }
  });
}

TEST_CASE("an end of stream that shares its event with data is read") {
  test::in_every_setup([](Checks& checks) {
    for (int round = 0; round < 50; ++round) {
      for (const bool tcp : {true, false}) {
        auto pair = tcp ? test::tcp_pair(checks) : std::move(*socket_pair());
        Conn& client = pair.first;
        Conn& server = pair.second;
        WaitGroup done;
        std::string got;
        done.go([&] { got = read_all(server); });
        EXPECT_THAT(checks, test::parked_on(checks, server.fd(), 0));
        // Both before anybody polls, when there is one P.
        EXPECT_EQUAL(checks, outcome(client.write("data")), "ok");
        EXPECT_EQUAL(checks, outcome(round % 2 == 0 ? client.close_write() : client.close()), "ok");
        done.wait();
        EXPECT_EQUAL(checks, got, "data");
      }
    }
  });
}

TEST_CASE("data that arrives between a short read and the park is not lost") {
  test::in_every_setup([](Checks& checks) {
    auto [client, server] = test::tcp_pair(checks);
    constexpr int kMessages = 2000;
    WaitGroup done;
    done.go([&, &client = client] {
      for (int i = 0; i < kMessages; ++i) {
        EXPECT_EQUAL(checks, outcome(client.write("0123456789")), "ok");
        if (i % 3 == 0) yield();
      }
      EXPECT_EQUAL(checks, outcome(client.close_write()), "ok");
    });
    std::size_t total = 0;
    std::array<std::byte, 64> buffer;
    for (int i = 0;; ++i) {
      auto n = server.read(buffer);
      if (!n || *n == 0) break;
      total += *n;
      if (i % 2 == 0) yield();
    }
    EXPECT_EQUAL(checks, total, 10u * kMessages);
    done.wait();
  });
}

TEST_CASE("a read that ends early at a passed descriptor does not strand what follows it") {
  test::in_every_setup([](Checks& checks) {
    for (int round = 0; round < 20; ++round) {
      auto sockets = socket_pair();
      auto send_with_fd = [&](const char* text) {
        EXPECT_EQUAL(checks, outcome(sockets->first.raw().write([&](int fd) {
                       iovec data{const_cast<char*>(text), std::strlen(text)};
                       alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
                       msghdr message{};
                       message.msg_iov = &data;
                       message.msg_iovlen = 1;
                       message.msg_control = control;
                       message.msg_controllen = sizeof control;
                       cmsghdr* header = CMSG_FIRSTHDR(&message);
                       header->cmsg_level = SOL_SOCKET;
                       header->cmsg_type = SCM_RIGHTS;
                       header->cmsg_len = CMSG_LEN(sizeof(int));
                       const int passed = 2;
                       std::memcpy(CMSG_DATA(header), &passed, sizeof passed);
                       return sendmsg(fd, &message, MSG_NOSIGNAL) >= 0;
                     })),
                     "ok");
      };
      std::string got;
      WaitGroup done;
      done.go([&] {
        while (got.size() < 9) got += read_some(sockets->second);
      });
      if (round % 2 == 0) EXPECT_THAT(checks, test::parked_on(checks, sockets->second.fd(), 0));
      send_with_fd("abc");
      send_with_fd("def");
      EXPECT_EQUAL(checks, outcome(sockets->first.write("ghi")), "ok");
      done.wait();
      EXPECT_EQUAL(checks, got, "abcdefghi");
    }
  });
}

TEST_CASE("a read that ends early at urgent data does not strand what follows it") {
  test::in_every_setup([](Checks& checks) {
    for (int round = 0; round < 20; ++round) {
      auto [client, server] = test::tcp_pair(checks);
      std::string got;
      WaitGroup done;
      Conn& reader = server;
      done.go([&] {
        while (got.size() < 6) got += read_some(reader);
      });
      if (round % 2 == 0) EXPECT_THAT(checks, test::parked_on(checks, server.fd(), 0));
      EXPECT_EQUAL(checks, outcome(client.write("abc")), "ok");
      EXPECT_EQUAL(checks, outcome(client.raw().write([](int fd) { return send(fd, "!", 1, MSG_OOB) == 1; })), "ok");
      EXPECT_EQUAL(checks, outcome(client.write("def")), "ok");
      done.wait();
      // The urgent byte itself travels beside the stream.
      EXPECT_EQUAL(checks, got, "abcdef");
    }
  });
}

TEST_CASE("a raw read that leaves data behind leaves it readable") {
  test::in_every_setup([](Checks& checks) {
    auto [client, server] = test::tcp_pair(checks);
    EXPECT_EQUAL(checks, outcome(client.write("one")), "ok");
    EXPECT_EQUAL(checks, read_some(server), "one");
    EXPECT_EQUAL(checks, outcome(client.write("two-three")), "ok");
    std::string first;
    EXPECT_EQUAL(checks, outcome(server.raw().read([&](int fd) {
                   char buffer[3];
                   const ssize_t n = recv(fd, buffer, sizeof buffer, 0);
                   if (n > 0) first.assign(buffer, static_cast<std::size_t>(n));
                   return n >= 0;
                 })),
                 "ok");
    EXPECT_EQUAL(checks, first, "two");
    EXPECT_EQUAL(checks, read_some(server), "-three");
    EXPECT_EQUAL(checks, outcome(client.close()), "ok");
    EXPECT_EQUAL(checks, read_some(server), "");
  });
}

}  // namespace netpoll
