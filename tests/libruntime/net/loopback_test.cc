// What sockets do over the loopback on every system and with every back end: nothing here asks which one it is.
#include <array>
#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "netpoll/go.h"
#include "netpoll/net/conn.h"
#include "netpoll/net/dial.h"
#include "netpoll/net/listener.h"
#include "netpoll/net/packet_conn.h"
#include "netpoll/runtime.h"
#include "netpoll/sync/wait_group.h"
#include "tests/libruntime/goroutines.h"
#include "tests/libruntime/net/support.h"
#include "tests/support/expect.h"
#include "tests/support/procs.h"

namespace netpoll {
namespace {

using namespace std::chrono_literals;
using test::Expectations;
using test::outcome;

// Runs body as the main goroutine of a Runtime of each poll mode. Afterwards no goroutine may be left.
template <typename Body>
void in_each_mode(Body&& body) {
  for (const PollMode mode : {PollMode::kHybrid, PollMode::kThread, PollMode::kInline}) {
    INFO(poll_mode_name(mode));
    Expectations expectations;
    {
      Runtime runtime({.procs = test::procs(), .poll_mode = mode});
      runtime.run([&] { body(expectations, runtime); });
      CHECK(runtime.snapshot().goroutines.empty());
    }
    expectations.report();
  }
}

// first dialled, second accepted.
std::pair<Conn, Conn> tcp_pair(Expectations& expectations) {
  auto listener = Listener::listen("127.0.0.1:0");
  EXPECT_THAT(expectations, listener);
  if (!listener) return {};
  auto client = dial(listener->local());
  auto server = listener->accept();
  EXPECT_THAT(expectations, client && server);
  if (!client || !server) return {};
  return {std::move(*client), std::move(*server)};
}

std::string read_or_kind(Conn& conn, std::size_t size = 4096) {
  std::string text(size, '\0');
  auto got = conn.read(std::as_writable_bytes(std::span(text)));
  if (!got) return "<" + std::string(error_kind_name(got.error().kind())) + ">";
  text.resize(*got);
  return text;
}

// Waits until count goroutines are parked in I/O.
bool parked(Runtime& runtime, std::size_t count) {
  return test::soon([&] {
    std::size_t found = 0;
    for (const auto& goroutine : runtime.snapshot().goroutines) found += goroutine.io_wait ? 1 : 0;
    return found >= count;
  });
}

TEST_CASE("a message comes back, and the end of the stream after it") {
  in_each_mode([](Expectations& expectations, Runtime&) {
    auto [client, server] = tcp_pair(expectations);
    EXPECT_EQUAL(expectations, server.peer().str(), client.local().str());
    EXPECT_EQUAL(expectations, client.peer().str(), server.local().str());
    EXPECT_EQUAL(expectations, outcome(client.write("ping")), "ok");
    EXPECT_EQUAL(expectations, read_or_kind(server), "ping");
    EXPECT_EQUAL(expectations, outcome(server.write("pong")), "ok");
    EXPECT_EQUAL(expectations, read_or_kind(client), "pong");
    EXPECT_EQUAL(expectations, outcome(client.close_write()), "ok");
    EXPECT_EQUAL(expectations, read_or_kind(server), "");
    EXPECT_EQUAL(expectations, outcome(server.write("still open")), "ok");
    EXPECT_EQUAL(expectations, read_or_kind(client), "still open");
  });
}

TEST_CASE("a reader parks until data comes") {
  in_each_mode([](Expectations& expectations, Runtime& runtime) {
    auto [client, server] = tcp_pair(expectations);
    WaitGroup done;
    done.add(1);
    go([&, &conn = server] {
      EXPECT_EQUAL(expectations, read_or_kind(conn), "late");
      done.done();
    });
    EXPECT_THAT(expectations, parked(runtime, 1));
    EXPECT_EQUAL(expectations, outcome(client.write("late")), "ok");
    done.wait();
  });
}

TEST_CASE("a write of many megabytes arrives whole and in order") {
  in_each_mode([](Expectations& expectations, Runtime&) {
    auto [client, server] = tcp_pair(expectations);
    constexpr std::size_t kSize = 4 << 20;
    std::string sent(kSize, '\0');
    for (std::size_t i = 0; i < kSize; ++i) sent[i] = static_cast<char>(i * 2654435761u >> 24);
    WaitGroup done;
    done.add(1);
    go([&, &conn = client] {
      EXPECT_EQUAL(expectations, outcome(conn.write(sent)), "ok");
      EXPECT_EQUAL(expectations, outcome(conn.close_write()), "ok");
      done.done();
    });
    std::string got;
    for (std::string piece = read_or_kind(server, 65536); !piece.empty(); piece = read_or_kind(server, 65536))
      got += piece;
    EXPECT_THAT(expectations, got == sent);
    done.wait();
  });
}

TEST_CASE("many connections are served at once by a goroutine each") {
  in_each_mode([](Expectations& expectations, Runtime&) {
    constexpr int kConns = 50;
    constexpr int kRounds = 10;
    auto listener = Listener::listen("127.0.0.1:0");
    EXPECT_THAT(expectations, listener);
    WaitGroup done;
    done.add(2 * kConns);
    go([&] {
      for (int i = 0; i < kConns; ++i) {
        auto conn = listener->accept();
        EXPECT_THAT(expectations, conn);
        go([&done, conn = std::make_shared<Conn>(std::move(*conn))] {
          for (std::string text = read_or_kind(*conn); !text.empty() && text[0] != '<'; text = read_or_kind(*conn)) {
            if (!conn->write(text)) break;
          }
          done.done();
        });
      }
    });
    for (int i = 0; i < kConns; ++i) {
      go([&, i] {
        auto conn = dial(listener->local());
        EXPECT_THAT(expectations, conn);
        for (int round = 0; conn && round < kRounds; ++round) {
          const std::string text = std::to_string(i) + ":" + std::to_string(round);
          EXPECT_EQUAL(expectations, outcome(conn->write(text)), "ok");
          EXPECT_EQUAL(expectations, read_or_kind(*conn), text);
        }
        done.done();
      });
    }
    done.wait();
  });
}

TEST_CASE("a deadline ends a read, and the connection goes on after it") {
  in_each_mode([](Expectations& expectations, Runtime&) {
    auto [client, server] = tcp_pair(expectations);
    for (int i = 0; i < 3; ++i) {
      EXPECT_EQUAL(expectations, outcome(server.set_read_deadline(after(2ms))), "ok");
      EXPECT_EQUAL(expectations, read_or_kind(server), "<timeout>");
    }
    EXPECT_EQUAL(expectations, outcome(server.set_read_deadline(kNoDeadline)), "ok");
    EXPECT_EQUAL(expectations, outcome(client.write("after")), "ok");
    EXPECT_EQUAL(expectations, read_or_kind(server), "after");
  });
}

TEST_CASE("no byte is lost where deadlines race with what arrives") {
  in_each_mode([](Expectations& expectations, Runtime&) {
    auto [client, server] = tcp_pair(expectations);
    constexpr int kBytes = 200;
    WaitGroup done;
    done.add(1);
    go([&, &conn = client] {
      for (int i = 0; i < kBytes; ++i) {
        EXPECT_EQUAL(expectations, outcome(conn.write(std::string(1, static_cast<char>('a' + i % 26)))), "ok");
        static_cast<void>(sleep(std::chrono::microseconds(i % 7 * 50)));
      }
      EXPECT_EQUAL(expectations, outcome(conn.close_write()), "ok");
      done.done();
    });
    std::string got;
    for (;;) {
      EXPECT_EQUAL(expectations, outcome(server.set_read_deadline(after(100us))), "ok");
      const std::string piece = read_or_kind(server);
      if (piece == "<timeout>") continue;
      if (piece.empty() || piece[0] == '<') break;
      got += piece;
    }
    std::string wanted;
    for (int i = 0; i < kBytes; ++i) wanted += static_cast<char>('a' + i % 26);
    EXPECT_EQUAL(expectations, got, wanted);
    done.wait();
  });
}

TEST_CASE("close ends what waits: a read, an accept, a wait for readability") {
  in_each_mode([](Expectations& expectations, Runtime& runtime) {
    auto [client, server] = tcp_pair(expectations);
    auto [other, idle] = tcp_pair(expectations);
    auto listener = Listener::listen("127.0.0.1:0");
    WaitGroup done;
    done.add(3);
    go([&, &conn = server] {
      EXPECT_EQUAL(expectations, read_or_kind(conn), "<closing>");
      done.done();
    });
    go([&, &conn = idle] {
      EXPECT_EQUAL(expectations, outcome(conn.wait_readable()), "closing");
      done.done();
    });
    go([&] {
      EXPECT_EQUAL(expectations, outcome(listener->accept()), "closing");
      done.done();
    });
    EXPECT_THAT(expectations, parked(runtime, 3));
    EXPECT_EQUAL(expectations, outcome(server.close()), "ok");
    EXPECT_EQUAL(expectations, outcome(idle.close()), "ok");
    EXPECT_EQUAL(expectations, outcome(listener->close()), "ok");
    done.wait();
    EXPECT_EQUAL(expectations, outcome(server.close()), "closing");
    EXPECT_EQUAL(expectations, read_or_kind(client), "");
  });
}

TEST_CASE("idle connections wait without a buffer and are woken one by one") {
  in_each_mode([](Expectations& expectations, Runtime& runtime) {
    constexpr std::size_t kConns = 40;
    std::vector<std::pair<Conn, Conn>> pairs;
    for (std::size_t i = 0; i < kConns; ++i) pairs.push_back(tcp_pair(expectations));
    std::array<std::atomic<bool>, kConns> woken{};
    WaitGroup done;
    done.add(kConns);
    for (std::size_t i = 0; i < kConns; ++i) {
      go([&, i] {
        EXPECT_EQUAL(expectations, outcome(pairs[i].second.wait_readable()), "ok");
        woken[i].store(true);
        EXPECT_EQUAL(expectations, read_or_kind(pairs[i].second), "wake");
        done.done();
      });
    }
    EXPECT_THAT(expectations, parked(runtime, kConns));
    for (std::size_t i = 0; i < kConns; ++i) {
      EXPECT_THAT(expectations, !woken[i].load());
      EXPECT_EQUAL(expectations, outcome(pairs[i].first.write("wake")), "ok");
      EXPECT_THAT(expectations, test::soon([&] { return woken[i].load(); }));
    }
    done.wait();
  });
}

TEST_CASE("a dial to a port where nobody listens says so, and one that is cancelled ends") {
  in_each_mode([](Expectations& expectations, Runtime&) {
    Addr gone;
    {
      auto listener = Listener::listen("127.0.0.1:0");
      gone = listener->local();
    }
    auto refused = dial(gone);
    EXPECT_EQUAL(expectations, outcome(refused), "system");
    if (!refused) EXPECT_EQUAL(expectations, refused.error().sys_errno(), ECONNREFUSED);
    EXPECT_EQUAL(expectations, outcome(dial(gone, {.deadline = after(-1ms)})), "timeout");
  });
}

TEST_CASE("datagrams keep their bounds and say where they came from") {
  in_each_mode([](Expectations& expectations, Runtime&) {
    auto server = PacketConn::bind("127.0.0.1:0");
    auto client = PacketConn::bind("127.0.0.1:0");
    EXPECT_THAT(expectations, server && client);
    WaitGroup done;
    done.add(1);
    go([&] {
      std::array<std::byte, 64> buffer;
      for (int i = 0; i < 2; ++i) {
        Addr from;
        auto got = server->read_from(buffer, &from);
        EXPECT_THAT(expectations, got);
        EXPECT_EQUAL(expectations, from.str(), client->local().str());
        EXPECT_EQUAL(expectations, outcome(server->write_to(std::span(buffer).first(got ? *got : 0), from)), "ok");
      }
      done.done();
    });
    for (const std::string_view text : {std::string_view("one"), std::string_view("three")}) {
      EXPECT_EQUAL(expectations, outcome(client->write_to(std::as_bytes(std::span(text)), server->local())), "ok");
      std::array<std::byte, 64> buffer;
      auto got = client->read_from(buffer);
      EXPECT_THAT(expectations, got && *got == text.size());
    }
    done.wait();
  });
}

TEST_CASE("a runtime that is shut down gives back what the kernel still had") {
  for (const PollMode mode : {PollMode::kHybrid, PollMode::kThread, PollMode::kInline}) {
    Expectations expectations;
    Runtime runtime({.procs = test::procs(), .poll_mode = mode});
    runtime.run(
        [&] {
          auto ends = std::make_shared<std::pair<Conn, Conn>>(tcp_pair(expectations));
          go([ends, &expectations] { EXPECT_EQUAL(expectations, read_or_kind(ends->second), "<canceled>"); });
          EXPECT_THAT(expectations, parked(runtime, 1));
        },
        Runtime::Shutdown::kCancel);
    expectations.report();
    CHECK(runtime.snapshot().goroutines.empty());
  }
}

}  // namespace
}  // namespace netpoll
