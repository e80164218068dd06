// Goroutines that keep no stack while their connection is idle (net/when_readable.h).
#include "netpoll/net/when_readable.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "libruntime/context/context.h"
#include "libruntime/sched/m.h"
#include "libruntime/sched/scheduler.h"
#include "netpoll/labels.h"
#include "netpoll/net/pipe.h"
#include "netpoll/sync/wait_group.h"
#include "tests/libruntime/net/support.h"

namespace netpoll {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using test::Checks;
using test::outcome;
using test::read_all;
using test::read_some;

// What goroutines have to tell, in order.
class Told {
 public:
  void add(std::string text) {
    const std::lock_guard lock(mutex_);
    texts_.push_back(std::move(text));
  }
  std::vector<std::string> all() const {
    const std::lock_guard lock(mutex_);
    return texts_;
  }
  std::size_t size() const { return all().size(); }
  std::string last() const {
    const auto texts = all();
    return texts.empty() ? std::string() : texts.back();
  }

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> texts_;
};

// Answers what it reads, until the end of the stream.
bool echo(Conn& conn, Result<void> ready) {
  std::array<std::byte, 256> buffer;
  auto n = ready ? conn.read(buffer) : Result<std::size_t>(std::move(ready).error());
  return n && *n != 0 && conn.write(std::span(buffer).first(*n));
}

std::string ask(Conn& conn, const std::string& question) {
  if (auto r = conn.write(question); !r) return "<" + std::string(r.error().message()) + ">";
  std::string answer;
  while (answer.size() < question.size()) {
    std::string some = read_some(conn, question.size() - answer.size());
    if (some.empty() || some.front() == '<') return answer + some;
    answer += some;
  }
  return answer;
}

// Waits until the closure that holds it as well is destroyed, and with it what that refers to may go.
void await_end(const std::shared_ptr<int>& alive) {
  test::until([&] { return alive.use_count() == 1; });
}

// Goroutines that wait and have no stack.
std::size_t at_rest() {
  const sched::GTable& gs = sched::current().gs();
  std::size_t count = 0;
  for (std::uint64_t i = 0; i < gs.count(); ++i) {
    const sched::G& g = gs.at(i);
    if (g.load_status() == GStatus::kWaiting && context::peek_sp(g.context) == nullptr) ++count;
  }
  return count;
}

}  // namespace

TEST_CASE("one goroutine serves a connection, and rests between its requests") {
  test::in_every_setup([](Checks& checks) {
    auto [client, served] = test::tcp_pair(checks);
    Told ids;
    auto alive = std::make_shared<int>();
    go_when_readable(std::move(served), [&ids, alive](Conn& conn, Result<void> ready) {
      ids.add(std::to_string(goid()));
      return echo(conn, std::move(ready));
    });
    for (int i = 0; i < 20; ++i) {
      test::until([] { return at_rest() == 1; });
      const std::string question = "question " + std::to_string(i);
      EXPECT_EQUAL(checks, ask(client, question), question);
    }
    EXPECT_EQUAL(checks, outcome(client.close()), "ok");
    await_end(alive);
    const std::vector<std::string> all = ids.all();
    EXPECT_EQUAL(checks, all.size(), 21u);  // and once for the end of the stream
    EXPECT_EQUAL(checks, std::count(all.begin(), all.end(), all.front()), 21);
  });
}

TEST_CASE("what a call leaves unread makes the next one") {
  test::in_every_setup([](Checks& checks) {
    auto [client, served] = *socket_pair();
    Told letters;
    const auto alive = std::make_shared<int>();
    go_when_readable(std::move(served), [&letters, alive](Conn& conn, Result<void>) {
      letters.add(read_some(conn, 1));
      return !letters.last().empty();
    });
    EXPECT_EQUAL(checks, outcome(client.write("all")), "ok");
    test::until([&] { return letters.size() == 3; });
    EXPECT_EQUAL(checks, outcome(client.write("!")), "ok");
    EXPECT_EQUAL(checks, outcome(client.close()), "ok");
    await_end(alive);
    EXPECT_THAT(checks, letters.all() == (std::vector<std::string>{"a", "l", "l", "!", ""}));
  });
}

TEST_CASE("all that was sent before the end arrives, also what was there first, however small the reads") {
  test::in_every_setup([](Checks& checks) {
    auto [client, served] = test::tcp_pair(checks);
    constexpr std::size_t kBytes = 30'000;
    EXPECT_EQUAL(checks, outcome(client.write(std::string(kBytes, 'x'))), "ok");
    EXPECT_EQUAL(checks, outcome(client.close()), "ok");
    std::atomic<std::size_t> read{0};
    const auto alive = std::make_shared<int>();
    go_when_readable(std::move(served), [&read, alive](Conn& conn, Result<void>) {
      const std::string some = read_some(conn, 100);
      read += some.size();
      return !some.empty() && some.front() == 'x';
    });
    await_end(alive);
    EXPECT_EQUAL(checks, read.load(), kBytes);
  });
}

TEST_CASE("one that leaves everything unread lets others run") {
  test::in_every_setup([](Checks& checks) {
    auto [client, served] = test::tcp_pair(checks);
    EXPECT_EQUAL(checks, outcome(client.write("unread")), "ok");
    std::atomic<int> calls{0};
    std::atomic<bool> stop{false};
    const auto alive = std::make_shared<int>();
    go_when_readable(std::move(served), [&calls, &stop, alive](Conn&, Result<void>) {
      ++calls;
      return !stop;
    });
    test::until([&] { return calls > 100; });
    stop = true;
    await_end(alive);
  });
}

TEST_CASE("in the middle of a request it parks as every goroutine, and rests again behind it") {
  test::in_every_setup([](Checks& checks) {
    auto [client, served] = test::tcp_pair(checks);
    go_when_readable(std::move(served), [](Conn& conn, Result<void> ready) {
      std::array<std::byte, 6> request;
      if (!ready || !conn.read_full(request)) return false;
      return static_cast<bool>(conn.write(request));
    });
    for (int i = 0; i < 10; ++i) {
      test::until([] { return at_rest() == 1; });
      EXPECT_EQUAL(checks, outcome(client.write("abc")), "ok");
      test::until([&] { return at_rest() == 0 && checks.runtime().goroutine_counts().waiting == 1; });
      EXPECT_EQUAL(checks, ask(client, "def").substr(0, 3), "abc");
      EXPECT_EQUAL(checks, read_some(client), "def");
    }
  });
}

TEST_CASE("a deadline that passes is told, and waiting goes on with the next one") {
  test::in_every_setup([](Checks& checks) {
    auto [client, served] = test::tcp_pair(checks);
    EXPECT_EQUAL(checks, outcome(served.set_read_deadline(after(milliseconds(20)))), "ok");
    Told told;
    const auto alive = std::make_shared<int>();
    go_when_readable(std::move(served), [&told, alive](Conn& conn, Result<void> ready) {
      told.add(outcome(ready));
      if (!ready) return conn.set_read_deadline(told.size() < 3 ? after(milliseconds(1)) : kNoDeadline).has_value();
      return echo(conn, {});
    });
    test::until([&] { return told.size() == 3 && at_rest() == 1; });
    EXPECT_EQUAL(checks, ask(client, "late"), "late");
    EXPECT_EQUAL(checks, outcome(client.close()), "ok");
    await_end(alive);
    EXPECT_THAT(checks, told.all() == (std::vector<std::string>{"timeout", "timeout", "timeout", "ok", "ok"}));
  });
}

TEST_CASE("a deadline that is moved while it fires does not end the rest") {
  test::in_every_setup([](Checks& checks) {
    auto [client, served] = test::tcp_pair(checks);
    std::atomic<Conn*> inside{nullptr};
    Told told;
    const auto alive = std::make_shared<int>();
    go_when_readable(std::move(served), [&inside, &told, alive](Conn& conn, Result<void> ready) {
      inside = &conn;
      told.add(outcome(ready));
      return !ready || echo(conn, {});
    });
    EXPECT_EQUAL(checks, ask(client, "here"), "here");
    for (int i = 0; i < 100; ++i) {
      test::until([] { return at_rest() == 1; });
      // Expired, and set anew before the goroutine that it woke looks; unless another P is quick.
      EXPECT_EQUAL(checks, outcome(inside.load()->set_read_deadline(TimePoint{} + milliseconds(1))), "ok");
      EXPECT_EQUAL(checks, outcome(inside.load()->set_read_deadline(after(hours(1)))), "ok");
      yield();
    }
    EXPECT_EQUAL(checks, ask(client, "still here"), "still here");
    EXPECT_THAT(checks, told.last() == "ok" && (test::procs() > 1 || told.size() == 2));
    EXPECT_EQUAL(checks, outcome(client.close()), "ok");
    await_end(alive);
  });
}

TEST_CASE("close ends the rest, and the goroutine, whatever it answers") {
  test::in_every_setup([](Checks& checks) {
    auto [client, served] = test::tcp_pair(checks);
    std::atomic<Conn*> inside{nullptr};
    Told told;
    std::atomic<bool> closed{false};
    const auto alive = std::make_shared<int>();
    go_when_readable(std::move(served), [&, alive](Conn& conn, Result<void> ready) {
      inside = &conn;
      told.add(outcome(ready));
      if (ready) return echo(conn, {});
      while (!closed) yield();  // the Conn has to outlive the call that closes it
      return true;
    });
    EXPECT_EQUAL(checks, ask(client, "here"), "here");
    test::until([] { return at_rest() == 1; });
    EXPECT_EQUAL(checks, outcome(inside.load()->close()), "ok");
    closed = true;
    await_end(alive);
    EXPECT_THAT(checks, told.all() == (std::vector<std::string>{"ok", "closing"}));
    EXPECT_EQUAL(checks, read_all(client), "");

    go_when_readable(Conn(), [&told, alive](Conn&, Result<void> ready) {
      told.add("none: " + outcome(ready));
      return true;
    });
    await_end(alive);
    EXPECT_EQUAL(checks, told.last(), "none: closing");
  });
}

TEST_CASE("shutdown cancels what rests") {
  Told told;
  {
    Runtime runtime({.procs = test::procs()});
    Conn client;
    runtime.run([&] {
      auto pair = *socket_pair();
      client = std::move(pair.first);
      go_when_readable(std::move(pair.second), [&](Conn&, Result<void> ready) {
        told.add(outcome(ready));
        return true;
      });
      test::until([] { return at_rest() == 1; });
    });
    runtime.shutdown(Runtime::Shutdown::kCancel);
    client = Conn();
  }
  CHECK(told.all() == std::vector<std::string>{"canceled"});
}

TEST_CASE("a reader by another handle comes first, and takes nothing away") {
  test::in_every_setup([](Checks& checks) {
    auto [client, served] = test::tcp_pair(checks);
    const RawConn raw = served.raw();
    WaitGroup done;
    done.go([&] {
      int calls = 0;
      static_cast<void>(raw.read([&](int) { return ++calls == 2; }));
    });
    test::until([&] { return checks.runtime().goroutine_counts().waiting == 1; });
    go_when_readable(std::move(served), echo);
    test::until([&] { return checks.runtime().goroutine_counts().waiting == 2; });
    EXPECT_EQUAL(checks, at_rest(), 0u);
    EXPECT_EQUAL(checks, ask(client, "for both"), "for both");
    done.wait();
    test::until([] { return at_rest() == 1; });
    EXPECT_EQUAL(checks, ask(client, "for one"), "for one");
  });
}

TEST_CASE("what it captured lasts, however large, and so do labels") {
  test::in_every_setup([](Checks& checks) {
    struct alignas(64) Large {
      std::array<int, 100> counts{};
    };
    auto [client, served] = test::tcp_pair(checks);
    auto others = test::tcp_pair(checks);
    Conn& other = others.first;
    Told counted;
    const auto alive = std::make_shared<int>();
    go_when_readable(std::move(served), [&counted, alive, large = Large{}](Conn& conn, Result<void> ready) mutable {
      counted.add(std::to_string(++large.counts[99]));
      return echo(conn, std::move(ready));
    });
    Told names;
    with_labels({{"service", "echo"}}, [&] {
      go_when_readable(std::move(others.second), [&names, alive](Conn& conn, Result<void> ready) {
        names.add(label("service").value_or("none"));
        return echo(conn, std::move(ready));
      });
    });
    for (int i = 0; i < 3; ++i) {
      EXPECT_EQUAL(checks, ask(client, "count"), "count");
      EXPECT_EQUAL(checks, ask(other, "label"), "label");
      test::until([&] { return checks.runtime().goroutine_counts().waiting == 2; });
    }
    static_cast<void>(client.close());
    static_cast<void>(other.close());
    await_end(alive);
    EXPECT_THAT(checks, counted.all() == (std::vector<std::string>{"1", "2", "3", "4"}));
    EXPECT_THAT(checks, names.all() == std::vector<std::string>(4, "echo"));
  });
}

TEST_CASE("go_exit ends it and closes the connection") {
  test::in_every_setup([](Checks& checks) {
    auto [client, served] = test::tcp_pair(checks);
    auto alive = std::make_shared<int>();
    go_when_readable(std::move(served), [alive](Conn&, Result<void>) -> bool { go_exit(); });
    EXPECT_EQUAL(checks, outcome(client.write("!")), "ok");
    await_end(alive);
    std::array<std::byte, 1> buffer;
    const auto end = client.read(buffer);
    EXPECT_THAT(checks, !end || *end == 0);
  });
}

TEST_CASE("many rest and wake on every P, and no request is lost") {
  test::in_every_setup([](Checks& checks) {
    constexpr int kConnections = 100;
    constexpr int kRequests = 8;
    std::atomic<int> answered{0};
    std::atomic<int> ended{0};
    WaitGroup clients;
    for (int i = 0; i < kConnections; ++i) {
      auto pair = *socket_pair();
      go_when_readable(std::move(pair.second), [&ended, i](Conn& conn, Result<void> ready) {
        if (i % 3 == 0) yield();
        if (echo(conn, std::move(ready))) return true;
        ended.fetch_add(1);
        return false;
      });
      clients.go([&answered, conn = std::move(pair.first), i]() mutable {
        for (int k = 0; k < kRequests; ++k) {
          const std::string question = std::to_string(i) + ":" + std::to_string(k);
          if (ask(conn, question) == question) answered.fetch_add(1);
          if (k % 7 == 0) static_cast<void>(sleep(std::chrono::microseconds(50)));
        }
      });
    }
    clients.wait();
    EXPECT_EQUAL(checks, answered.load(), kConnections * kRequests);
    test::until([&] { return ended.load() == kConnections; });
  });
}

}  // namespace netpoll
