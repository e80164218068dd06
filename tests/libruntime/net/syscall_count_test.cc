// The system calls of an echo, exactly: the expected figures per mode and trigger are written down here.
//
// Reads and writes are counted where net/ makes them. epoll_ctl is counted by the poller's own tracepoints
// (fd_register: one ADD, rearm: one MOD), which tests/cli compares with what the kernel saw.
#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <array>
#include <string>
#include <vector>

#include "netpoll/go.h"
#include "netpoll/net/conn.h"
#include "netpoll/net/dial.h"
#include "netpoll/net/listener.h"
#include "netpoll/net/pipe.h"
#include "netpoll/sync/wait_group.h"
#include "tests/libruntime/net/faults.h"
#include "tests/libruntime/net/support.h"

namespace netpoll {
namespace {

using test::Checks;
using test::Faults;
using test::outcome;
using test::tracepoints;

constexpr int kMessages = 200;

void echo_until_end(Checks& checks, Conn& conn) {
  std::array<std::byte, 256> buffer;
  for (;;) {
    auto n = conn.read(buffer);
    if (!n) checks.fail(n.error().message());
    if (!n || *n == 0) return;
    EXPECT_EQUAL(checks, outcome(conn.write(std::span(buffer).first(*n))), "ok");
  }
}

void ask(Checks& checks, Conn& conn) {
  const std::string message(64, 'm');
  std::array<std::byte, 256> buffer;
  for (int i = 0; i < kMessages; ++i) {
    EXPECT_EQUAL(checks, outcome(conn.write(message)), "ok");
    EXPECT_EQUAL(checks, conn.read(buffer).value_or(0), message.size());
  }
}

// As ask(), by system calls that are not counted: of a message at a time, whose answer may come in pieces.
void ask_from_outside(Checks& checks, int fd, std::size_t size) {
  const std::string message(size, 'm');
  std::vector<char> buffer(size);
  for (int i = 0; i < kMessages; ++i) {
    EXPECT_EQUAL(checks, ::send(fd, message.data(), size, MSG_NOSIGNAL), static_cast<ssize_t>(size));
    for (std::size_t got = 0; got < size;) {
      pollfd wait{.fd = fd, .events = POLLIN, .revents = 0};
      const ssize_t n = ::poll(&wait, 1, 20'000) == 1 ? ::recv(fd, buffer.data(), size, 0) : -1;
      EXPECT_EQUAL(checks, n > 0, true);
      if (n <= 0) return;
      got += static_cast<std::size_t>(n);
    }
  }
}

// Where a try must never be in vain. In level, two threads that poll may both be told of the same data; the second
// report then costs one EAGAIN.
bool exact(Checks& checks) {
  return checks.config().trigger != Trigger::kLevel || checks.config().poll_mode == PollMode::kThread;
}

// Calls of a kind that moved data or told the end.
std::uint64_t useful(long number) { return Faults::instance().calls(number) - Faults::instance().eagain(number); }

}  // namespace

TEST_CASE("an echo over TCP reads once per message and once for the end, and no read is in vain") {
  test::in_every_setup([](Checks& checks) {
    auto [client, server] = test::tcp_pair(checks);
    Faults::instance().clear();
    const std::uint64_t rearmed = tracepoints(checks, trace::Tp::rearm);
    WaitGroup done;
    Conn& echoing = server;
    done.go([&] { echo_until_end(checks, echoing); });
    ask(checks, client);
    EXPECT_EQUAL(checks, outcome(client.close()), "ok");
    done.wait();
    const Faults& faults = Faults::instance();
    EXPECT_EQUAL(checks, useful(SYS_recvfrom), 2u * kMessages + 1);  // both sides; the end at the server
    EXPECT_EQUAL(checks, faults.calls(SYS_sendto), 2u * kMessages);
    EXPECT_EQUAL(checks, faults.eagain(SYS_sendto), 0u);
    if (exact(checks)) {
      EXPECT_EQUAL(checks, faults.eagain(SYS_recvfrom), 0u);
      // Edge: armed once, for good. Oneshot and level: each wait arms, and every read waited.
      const std::uint64_t waits = checks.config().trigger == Trigger::kEdge ? 0 : 2 * kMessages + 1;
      EXPECT_EQUAL(checks, tracepoints(checks, trace::Tp::rearm) - rearmed, waits);
    }
  });
}

// The end of such a message looks like its middle, to a plain loop as well.
TEST_CASE("a message that fills the buffer exactly, four times over, costs one read more than its pieces") {
  test::in_every_setup([](Checks& checks) {
    auto [client, server] = test::tcp_pair(checks);
    Faults::instance().clear();
    constexpr int kPieces = 4;
    WaitGroup done;
    done.go([&checks, &server = server] {
      std::array<std::byte, 256> buffer;
      for (int i = 0; i < kMessages; ++i) {
        for (int piece = 0; piece < kPieces; ++piece) {
          EXPECT_EQUAL(checks, server.read(buffer).value_or(0), buffer.size());
        }
        EXPECT_EQUAL(checks, outcome(server.write("k")), "ok");
      }
    });
    const std::string message(kPieces * 256, 'm');
    std::array<std::byte, 16> answer;
    for (int i = 0; i < kMessages; ++i) {
      EXPECT_EQUAL(checks, outcome(client.write(message)), "ok");
      EXPECT_EQUAL(checks, client.read(answer).value_or(0), 1u);
    }
    done.wait();
    const Faults& faults = Faults::instance();
    EXPECT_EQUAL(checks, useful(SYS_recvfrom), (kPieces + 1u) * kMessages);
    // None where the next message was there first.
    if (exact(checks)) EXPECT_EQUAL(checks, faults.eagain(SYS_recvfrom) <= kMessages, true);
    EXPECT_EQUAL(checks, faults.eagain(SYS_sendto), 0u);
  });
}

TEST_CASE("an echo in four pieces waits once a message, as a plain loop does: five reads and four writes") {
  test::in_every_setup([](Checks& checks) {
    auto [client, server] = test::tcp_pair(checks);
    constexpr int kPieces = 4;
    Faults::instance().clear();
    const std::uint64_t parked = tracepoints(checks, trace::Tp::park);
    WaitGroup done;
    done.go([&checks, &server = server] { echo_until_end(checks, server); });
    block_on([&checks, fd = client.fd()] { ask_from_outside(checks, fd, kPieces * 256); });
    EXPECT_EQUAL(checks, outcome(client.close()), "ok");
    done.wait();
    const Faults& faults = Faults::instance();
    EXPECT_EQUAL(checks, useful(SYS_recvfrom), static_cast<std::uint64_t>(kPieces) * kMessages + 1);
    EXPECT_EQUAL(checks, faults.calls(SYS_sendto), static_cast<std::uint64_t>(kPieces) * kMessages);
    EXPECT_EQUAL(checks, faults.eagain(SYS_sendto), 0u);
    if (!exact(checks)) return;
    // None where the next message was there first; and a park for each, one for the first message, one for the end of
    // all.
    EXPECT_EQUAL(checks, faults.eagain(SYS_recvfrom) <= kMessages, true);
    EXPECT_EQUAL(checks, tracepoints(checks, trace::Tp::park) - parked <= faults.eagain(SYS_recvfrom) + 2, true);
  });
}

TEST_CASE("a buffer that doubles when a read has filled it soon takes each message by one read, and none is in vain") {
  test::in_every_setup([](Checks& checks) {
    auto [client, server] = test::tcp_pair(checks);
    constexpr int kGrowth = 3;  // 256, 512, 1024, 2048
    Faults::instance().clear();
    WaitGroup done;
    done.go([&checks, &server = server] {
      std::vector<std::byte> buffer(256);
      for (;;) {
        auto n = server.read(buffer);
        if (!n) checks.fail(n.error().message());
        if (!n || *n == 0) return;
        EXPECT_EQUAL(checks, outcome(server.write(std::span(buffer).first(*n))), "ok");
        if (*n == buffer.size()) buffer.resize(2 * buffer.size());
      }
    });
    block_on([&checks, fd = client.fd()] { ask_from_outside(checks, fd, 1024); });
    EXPECT_EQUAL(checks, outcome(client.close()), "ok");
    done.wait();
    const Faults& faults = Faults::instance();
    EXPECT_EQUAL(checks, useful(SYS_recvfrom) <= std::uint64_t{kMessages} + kGrowth + 1, true);
    EXPECT_EQUAL(checks, faults.calls(SYS_sendto) <= std::uint64_t{kMessages} + kGrowth, true);
    if (exact(checks)) EXPECT_EQUAL(checks, faults.eagain(SYS_recvfrom) <= kGrowth, true);
  });
}

TEST_CASE("an echo over a Unix socket costs the same, through recvmsg") {
  test::in_every_setup([](Checks& checks) {
    auto sockets = socket_pair();
    Faults::instance().clear();
    WaitGroup done;
    done.go([&] { echo_until_end(checks, sockets->second); });
    ask(checks, sockets->first);
    EXPECT_EQUAL(checks, outcome(sockets->first.close()), "ok");
    done.wait();
    const Faults& faults = Faults::instance();
    EXPECT_EQUAL(checks, useful(SYS_recvmsg), 2u * kMessages + 1);
    EXPECT_EQUAL(checks, faults.calls(SYS_sendto), 2u * kMessages);
    if (!exact(checks)) return;
    // A Unix socket makes an edge of its own when the peer reads (unix(7) frees the sender's space at once), and that
    // report carries the readiness of the moment: a message may be reported twice, the second time after it was read.
    const std::uint64_t in_vain = checks.config().trigger == Trigger::kEdge ? 2u * kMessages : 0u;
    EXPECT_EQUAL(checks, faults.eagain(SYS_recvmsg) <= in_vain, true);
  });
}

TEST_CASE("a server that waits before it takes a buffer makes no call for that") {
  test::in_every_setup([](Checks& checks) {
    auto [client, server] = test::tcp_pair(checks);
    Faults::instance().clear();
    WaitGroup done;
    Conn& echoing = server;
    done.go([&] {
      for (;;) {
        if (!echoing.wait_readable()) return;
        std::array<std::byte, 256> buffer;
        auto n = echoing.read(buffer);
        if (!n || *n == 0) return;
        EXPECT_EQUAL(checks, outcome(echoing.write(std::span(buffer).first(*n))), "ok");
      }
    });
    ask(checks, client);
    EXPECT_EQUAL(checks, outcome(client.close()), "ok");
    done.wait();
    EXPECT_EQUAL(checks, useful(SYS_recvfrom), 2u * kMessages + 1);
    // One at the end, if the client's FIN is known before the server waits again: then it must ask.
    EXPECT_EQUAL(checks, Faults::instance().calls(SYS_ppoll) <= 1, true);
  });
}

TEST_CASE("many connections at once read no more than their messages") {
  test::in_every_setup([](Checks& checks) {
    constexpr int kConns = 20;
    auto listener = Listener::listen("127.0.0.1:0");
    Faults::instance().clear();
    WaitGroup done;
    for (int i = 0; i < kConns; ++i) {
      done.go([&] {
        auto conn = dial(listener->local());
        EXPECT_EQUAL(checks, outcome(conn), "ok");
        if (conn) ask(checks, *conn);
      });
      done.go([&] {
        auto conn = listener->accept();
        EXPECT_EQUAL(checks, outcome(conn), "ok");
        if (conn) echo_until_end(checks, *conn);
      });
    }
    done.wait();
    const Faults& faults = Faults::instance();
    EXPECT_EQUAL(checks, useful(SYS_recvfrom), kConns * (2u * kMessages + 1));
    EXPECT_EQUAL(checks, faults.calls(SYS_sendto), kConns * 2u * kMessages);
    if (exact(checks)) EXPECT_EQUAL(checks, faults.eagain(SYS_recvfrom), 0u);
  });
}

TEST_CASE("a connection's life costs the calls it needs and no more") {
  test::in_every_setup([](Checks& checks) {
    auto listener = Listener::listen("127.0.0.1:0");
    constexpr int kLives = 50;
    Faults::instance().clear();
    const std::uint64_t registered = tracepoints(checks, trace::Tp::fd_register);
    for (int i = 0; i < kLives; ++i) {
      auto client = dial(listener->local());
      auto server = listener->accept();
      EXPECT_EQUAL(checks, outcome(client->close()), "ok");
      EXPECT_EQUAL(checks, outcome(server->close()), "ok");
    }
    const Faults& faults = Faults::instance();
    EXPECT_EQUAL(checks, faults.calls(SYS_accept4), static_cast<std::uint64_t>(kLives));
    EXPECT_EQUAL(checks, faults.calls(SYS_close), 2u * kLives);
    EXPECT_EQUAL(checks, faults.calls(SYS_connect), static_cast<std::uint64_t>(kLives));
    // TCP_NODELAY for the dialled end; the accepted one inherits it.
    EXPECT_EQUAL(checks, faults.calls(SYS_setsockopt), static_cast<std::uint64_t>(kLives));
    EXPECT_EQUAL(checks, tracepoints(checks, trace::Tp::fd_register) - registered, 2u * kLives);
  });
}

TEST_CASE("a read that times out costs no system call, the second time neither") {
  test::in_every_setup([](Checks& checks) {
    auto [client, server] = test::tcp_pair(checks);
    Faults::instance().clear();
    std::array<std::byte, 8> buffer;
    for (int i = 0; i < 3; ++i) {
      EXPECT_EQUAL(checks, outcome(server.set_read_deadline(after(std::chrono::milliseconds(1)))), "ok");
      EXPECT_EQUAL(checks, outcome(server.read(buffer)), "timeout");
    }
    EXPECT_EQUAL(checks, Faults::instance().calls(SYS_recvfrom), 0u);
    EXPECT_EQUAL(checks, outcome(server.set_read_deadline(kNoDeadline)), "ok");
    EXPECT_EQUAL(checks, outcome(client.write("x")), "ok");
    EXPECT_EQUAL(checks, server.read(buffer).value_or(0), 1u);
    EXPECT_EQUAL(checks, Faults::instance().calls(SYS_recvfrom), 1u);
  });
}

}  // namespace netpoll
