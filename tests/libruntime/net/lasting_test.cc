// Descriptors with an error or a hang-up that stays: an error queue nobody reads, a terminal that hung up. Whoever
// waits there for something else waits on, and the poller does not turn in circles.
#include <linux/net_tstamp.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <string>
#include <vector>

#include "netpoll/go.h"
#include "netpoll/net/conn.h"
#include "netpoll/net/packet_conn.h"
#include "netpoll/sync/wait_group.h"
#include "tests/libruntime/net/support.h"

namespace netpoll {
namespace {

using namespace std::chrono_literals;
using test::bytes;
using test::Checks;
using test::outcome;

// A waiter that is woken for nothing over and over has hundreds of thousands of tries in the time that
// give_it_time_to_spin() leaves it; one that is woken as often as something happens has a handful.
constexpr int kSpinning = 100;
void give_it_time_to_spin() {
  for (int i = 0; i < 20; ++i) static_cast<void>(sleep(2ms));
}

PacketOptions with_error_queue() {
  PacketOptions options;
  options.control = [](int fd) -> Result<void> {
    const int on = 1;
    if (setsockopt(fd, IPPROTO_IP, IP_RECVERR, &on, sizeof on) != 0) return posix_error("IP_RECVERR", errno);
    return {};
  };
  return options;
}

int error_queue_length(int fd) {
  int entries = 0;
  for (;;) {
    std::array<char, 256> data;
    std::array<char, 512> control;
    iovec buffer{data.data(), data.size()};
    msghdr message{};
    message.msg_iov = &buffer;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    if (recvmsg(fd, &message, MSG_ERRQUEUE | MSG_DONTWAIT) < 0) return entries;
    ++entries;
  }
}

// Where datagrams are refused for as long as it lives: its socket is connected to itself and hears nobody else. A
// number that was merely free a moment ago may become anybody's.
auto one_who_refuses() {
  auto refuser = PacketConn::bind("127.0.0.1:0");
  static_cast<void>(refuser->raw().control([](int fd) {
    sockaddr_in own{};
    socklen_t size = sizeof own;
    getsockname(fd, reinterpret_cast<sockaddr*>(&own), &size);
    connect(fd, reinterpret_cast<const sockaddr*>(&own), size);
  }));
  return refuser;
}

}  // namespace

TEST_CASE("a reader waits over an unread error queue of a datagram socket, and what comes then arrives") {
  test::in_every_setup([](Checks& checks) {
    const auto refuser = one_who_refuses();
    const Addr nobody = refuser->local();
    for (const bool connected : {false, true}) {
      auto conn = connected ? PacketConn::connect(nobody, Addr::loopback(0), with_error_queue())
                            : PacketConn::bind("127.0.0.1:0", with_error_queue());
      EXPECT_EQUAL(checks, outcome(conn), "ok");
      std::atomic<int> tries{0}, refused{0}, received{0};
      std::string end;
      WaitGroup done;
      done.go([&] {
        end = outcome(conn->raw().read([&](int fd) {
          tries.fetch_add(1);
          // Until EAGAIN: an error that came earlier hides the datagram behind it.
          while (received.load() < 2) {
            char buffer[16];
            const ssize_t n = recv(fd, buffer, sizeof buffer, 0);
            if (n < 0 && errno != ECONNREFUSED) return false;
            (n < 0 ? refused : received).fetch_add(1);
          }
          return true;
        }));
      });
      EXPECT_THAT(checks, test::parked_on(checks, conn->fd(), 0));
      for (int i = 0; i < 3; ++i) {
        auto sent = connected ? conn->write(bytes("x")) : conn->write_to(bytes("x"), nobody);
        // The answer to an earlier one may come first.
        EXPECT_THAT(checks, sent || sent.error().sys_errno() == ECONNREFUSED);
        static_cast<void>(sleep(1ms));
      }
      give_it_time_to_spin();
      EXPECT_THAT(checks, tries.load() < kSpinning);
      EXPECT_THAT(checks, !connected || refused.load() > 0);
      if (connected) {
        EXPECT_EQUAL(checks, outcome(conn->close()), "ok");
        done.wait();
        EXPECT_EQUAL(checks, end, "closing");
        continue;
      }
      auto sender = PacketConn::bind("127.0.0.1:0");
      for (int i = 1; i <= 2; ++i) {
        EXPECT_EQUAL(checks, outcome(sender->write_to(bytes("y"), conn->local())), "ok");
        EXPECT_THAT(checks, test::soon([&] { return received.load() == i; }));
      }
      done.wait();
      EXPECT_EQUAL(checks, end, "ok");
      int entries = 0;
      EXPECT_EQUAL(checks, outcome(conn->raw().control([&](int fd) { entries = error_queue_length(fd); })), "ok");
      EXPECT_THAT(checks, entries > 0);
      // Plain reads work on, with and without a deadline.
      std::array<std::byte, 8> buffer;
      EXPECT_EQUAL(checks, outcome(conn->set_read_deadline(after(2ms))), "ok");
      EXPECT_EQUAL(checks, outcome(conn->read(buffer)), "timeout");
      EXPECT_EQUAL(checks, outcome(conn->set_read_deadline(kNoDeadline)), "ok");
      EXPECT_EQUAL(checks, outcome(sender->write_to(bytes("zz"), conn->local())), "ok");
      EXPECT_EQUAL(checks, conn->read(buffer).value_or(0), 2u);
    }
  });
}

TEST_CASE("an error alone ends neither the read nor the write that wait on a live connection") {
  test::in_every_setup([](Checks& checks) {
    auto [client, server] = test::tcp_pair(checks);
    std::atomic<int> reads{0};
    std::string got;
    std::atomic<bool> received{false};  // got is complete
    WaitGroup done;
    done.go([&, &client = client] {
      EXPECT_EQUAL(checks, outcome(client.raw().read([&](int fd) {
                     reads.fetch_add(1);
                     char buffer[16];
                     const ssize_t n = recv(fd, buffer, sizeof buffer, 0);
                     if (n > 0) got.assign(buffer, static_cast<std::size_t>(n));
                     received = n >= 0 || errno != EAGAIN;
                     return received.load();
                   })),
                   "ok");
    });
    const auto make_buffers_small = [](int fd) {
      const int small = 16384;
      setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
      setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    };
    EXPECT_EQUAL(checks, outcome(client.raw().control(make_buffers_small)), "ok");
    EXPECT_EQUAL(checks, outcome(server.raw().control(make_buffers_small)), "ok");
    const std::vector<std::byte> large(std::size_t{512} << 10);
    std::string written;
    done.go([&, &client = client] { written = outcome(client.write(large)); });
    EXPECT_THAT(checks, test::parked_on(checks, client.fd(), 0));
    EXPECT_THAT(checks, test::parked_on(checks, client.fd(), 1));
    // From here on what is sent leaves an entry in the error queue: ERR is up, the buffer full, nothing to read.
    EXPECT_EQUAL(checks, outcome(client.raw().control([](int fd) {
                   const int flags = SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_TX_ACK |
                                     SOF_TIMESTAMPING_TX_SCHED | SOF_TIMESTAMPING_SOFTWARE |
                                     SOF_TIMESTAMPING_OPT_TSONLY | SOF_TIMESTAMPING_OPT_ID;
                   setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPING, &flags, sizeof flags);
                 })),
                 "ok");
    std::vector<std::byte> taken(std::size_t{64} << 10);
    std::size_t total = 0;
    while (total < large.size() / 2) {
      auto n = server.read(taken);
      if (!n || *n == 0) break;
      total += *n;
    }
    EXPECT_THAT(checks, test::parked_on(checks, client.fd(), 1));
    const int before = reads.load();
    give_it_time_to_spin();
    EXPECT_THAT(checks, reads.load() - before < kSpinning);
    EXPECT_THAT(checks, !received);
    EXPECT_EQUAL(checks, outcome(server.write("hello")), "ok");
    EXPECT_THAT(checks, test::soon([&] { return received.load(); }));
    EXPECT_EQUAL(checks, got, "hello");
    int entries = 0;
    EXPECT_EQUAL(checks, outcome(client.raw().control([&](int fd) { entries = error_queue_length(fd); })), "ok");
    EXPECT_THAT(checks, entries > 0);
    while (total < large.size()) {
      auto n = server.read(taken);
      if (!n || *n == 0) break;
      total += *n;
    }
    done.wait();
    EXPECT_EQUAL(checks, total, large.size());
    EXPECT_EQUAL(checks, written, "ok");
  });
}

TEST_CASE("a raw read that takes what is in the error queue hears of every entry that comes later") {
  test::in_every_setup([](Checks& checks) {
    constexpr int kEntries = 4;
    const auto refuser = one_who_refuses();
    auto conn = PacketConn::bind("127.0.0.1:0", with_error_queue());
    EXPECT_EQUAL(checks, outcome(conn), "ok");
    std::atomic<int> taken{0};
    std::string end;
    WaitGroup done;
    done.go([&] {
      end = outcome(conn->raw().read([&](int fd) {
        taken.fetch_add(error_queue_length(fd));
        return taken.load() >= kEntries;
      }));
    });
    for (int i = 1; i <= kEntries; ++i) {
      // Nothing is up while it waits, so what comes is news.
      EXPECT_THAT(checks, test::parked_on(checks, conn->fd(), 0));
      EXPECT_EQUAL(checks, outcome(conn->write_to(bytes("x"), refuser->local())), "ok");
      EXPECT_THAT(checks, test::soon([&] { return taken.load() >= i; }));
    }
    EXPECT_EQUAL(checks, outcome(conn->close()), "ok");
    done.wait();
    EXPECT_EQUAL(checks, end, "ok");
  });
}

}  // namespace netpoll
