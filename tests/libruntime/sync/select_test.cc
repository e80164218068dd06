// Select: which case goes on, by chance where several can.
#include "netpoll/sync/select.h"

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "netpoll/sync/wait_group.h"
#include "tests/libruntime/sync/in_runtime.h"

using namespace netpoll;
using namespace std::chrono_literals;
using test::in_runtime;
using test::until_parked;

namespace {
constexpr std::size_t kNone = 999;
}

TEST_CASE("select takes the case that can go on and tells which") {
  std::size_t index = kNone;
  std::optional<int> got;
  in_runtime([&](Runtime&) {
    Channel<int> empty(1);
    Channel<int> full(1);
    (void)full.send(5);
    index = select(on_recv(empty, [&](std::optional<int>) { got = -1; }),
                   on_recv(full, [&](std::optional<int> value) { got = value; }))
                .value_or(kNone);
  });
  CHECK(index == 1);
  CHECK(got == 5);
}

TEST_CASE("select parks until a case can go on") {
  std::optional<int> received;
  bool sent = false;
  std::optional<std::string> other_side;
  in_runtime([&](Runtime& runtime) {
    Channel<int> in;
    Channel<std::string> out;
    WaitGroup group;
    const auto serve = [&] {
      (void)select(on_recv(in, [&](std::optional<int> value) { received = value; }),
                   on_send(out, std::string("value"), [&](bool ok) { sent = ok; }));
    };
    group.go(serve);
    (void)until_parked(runtime, WaitReason::kSelect);
    (void)in.send(3);
    group.wait();
    group.go(serve);
    (void)until_parked(runtime, WaitReason::kSelect);
    other_side = out.recv();
    group.wait();
  });
  CHECK(received == 3);
  CHECK(sent);
  CHECK(other_side == "value");
}

TEST_CASE("otherwise happens only when nothing else can") {
  std::size_t idle = kNone;
  std::size_t busy = kNone;
  in_runtime([&](Runtime&) {
    Channel<int> channel(1);
    idle = select(on_recv(channel, [](std::optional<int>) {}), otherwise()).value_or(kNone);
    (void)channel.send(1);
    busy = select(on_recv(channel, [](std::optional<int>) {}), otherwise()).value_or(kNone);
  });
  CHECK(idle == 1);
  CHECK(busy == 0);
}

TEST_CASE("after happens when the others do not, and the earliest of several wins") {
  std::size_t index = kNone;
  bool ran = false;
  std::size_t ready_before_past = kNone;
  std::size_t past_before_waiting = kNone;
  in_runtime([&](Runtime&) {
    Channel<int> channel(1);
    index = select(after(1h), on_recv(channel, [](std::optional<int>) {}), after(2ms, [&] { ran = true; }), after(1h))
                .value_or(kNone);
    const auto past = std::chrono::steady_clock::now() - 1s;
    past_before_waiting = select(on_recv(channel, [](std::optional<int>) {}), at(past)).value_or(kNone);
    (void)channel.send(1);
    ready_before_past = select(at(past), on_recv(channel, [](std::optional<int>) {})).value_or(kNone);
  });
  CHECK(index == 2);
  CHECK(ran);
  CHECK(past_before_waiting == 1);
  CHECK(ready_before_past == 1);
}

TEST_CASE("cases that are ready together are chosen at random, all equally likely") {
  constexpr int kRounds = 3000;
  std::array<int, 3> chosen{};
  in_runtime([&](Runtime&) {
    Channel<int> one(1);
    Channel<int> two(1);
    Channel<int> sink(1);
    for (int i = 0; i < kRounds; ++i) {
      (void)one.try_send(1);
      (void)two.try_send(1);
      (void)sink.try_recv();
      const auto index = select(on_recv(one, [](std::optional<int>) {}), on_recv(two, [](std::optional<int>) {}),
                                on_send(sink, 1, [](bool) {}));
      ++chosen.at(index.value_or(kNone));
    }
  });
  // 1000 each expected, standard deviation 26.
  for (const int count : chosen) {
    CHECK(count > 800);
    CHECK(count < 1200);
  }
}

TEST_CASE("a select does not meet itself on a channel it sends to and receives from") {
  std::size_t index = kNone;
  std::size_t after_partner = kNone;
  in_runtime([&](Runtime& runtime) {
    Channel<int> channel;
    const auto both_ways = [&] {
      return select(on_send(channel, 1, [](bool) {}), on_recv(channel, [](std::optional<int>) {}), after(3ms))
          .value_or(kNone);
    };
    index = both_ways();
    WaitGroup group;
    group.go([&] { (void)channel.recv(); });
    (void)until_parked(runtime, WaitReason::kChanReceive);
    after_partner = both_ways();
    group.wait();
  });
  CHECK(index == 2);
  CHECK(after_partner == 0);
}

TEST_CASE("two selects that want each other meet exactly once") {
  constexpr int kRounds = 500;
  int transfers = 0;
  int agreed = 0;
  in_runtime([&](Runtime&) {
    for (int round = 0; round < kRounds; ++round) {
      Channel<int> a;
      Channel<int> b;
      std::array<std::size_t, 2> index{kNone, kNone};
      WaitGroup group;
      group.go([&] {
        index[0] = select(on_send(a, 1, [](bool) {}), on_recv(b, [](std::optional<int>) {})).value_or(kNone);
      });
      group.go([&] {
        index[1] = select(on_send(b, 2, [](bool) {}), on_recv(a, [](std::optional<int>) {})).value_or(kNone);
      });
      group.wait();
      transfers += index[0] != kNone && index[1] != kNone;
      agreed += index[0] != index[1];
    }
  });
  CHECK(transfers == kRounds);
  CHECK(agreed == kRounds);
}

TEST_CASE("a value whose case did not happen stays with its owner") {
  std::unique_ptr<int> value = std::make_unique<int>(8);
  std::size_t index = kNone;
  bool refused = false;
  bool kept_in_handler = false;
  in_runtime([&](Runtime&) {
    Channel<std::unique_ptr<int>> channel;
    index =
        select(on_send(channel, std::move(value), [](bool) {}), after(1ms, [&] { kept_in_handler = value != nullptr; }))
            .value_or(kNone);
    channel.close();
    (void)select(on_send(channel, std::move(value), [&](bool sent) { refused = !sent && value != nullptr; }));
  });
  CHECK(index == 1);
  CHECK(kept_in_handler);
  CHECK(refused);
  REQUIRE(value != nullptr);
  CHECK(*value == 8);
}

TEST_CASE("close ends a waiting select, as nothing for a receive and as false for a send") {
  bool nothing = false;
  bool refused = false;
  in_runtime([&](Runtime& runtime) {
    Channel<int> in;
    Channel<int> out;
    Channel<int> never;
    Channel<int> stuck;
    WaitGroup group;
    group.go([&] {
      (void)select(on_recv(never, [](std::optional<int>) {}), on_recv(in, [&](std::optional<int> v) { nothing = !v; }));
    });
    group.go(
        [&] { (void)select(on_send(out, 1, [&](bool sent) { refused = !sent; }), on_send(stuck, 1, [](bool) {})); });
    (void)until_parked(runtime, WaitReason::kSelect, 2);
    in.close();
    out.close();
    group.wait();
  });
  CHECK(nothing);
  CHECK(refused);
}

TEST_CASE("a case whose guard is false takes no part") {
  std::size_t ready_but_off = kNone;
  std::size_t all_off = kNone;
  std::unique_ptr<int> value = std::make_unique<int>(1);
  in_runtime([&](Runtime&) {
    Channel<int> channel(1);
    Channel<std::unique_ptr<int>> room(1);
    Context ended;
    ended.cancel();
    (void)channel.send(1);
    ready_but_off =
        select(on_recv(channel, [](std::optional<int>) {}).when(false),
               on_send(room, std::move(value), [](bool) {}).when(false), on_done(ended).when(false), otherwise())
            .value_or(kNone);
    all_off = select(on_recv(channel, [](std::optional<int>) {}).when(false), otherwise().when(false), after(1ms))
                  .value_or(kNone);
  });
  CHECK(ready_but_off == 3);
  CHECK(all_off == 2);
  CHECK(value != nullptr);
}

TEST_CASE("the same channel may stand in several cases") {
  std::array<int, 2> chosen{};
  in_runtime([&](Runtime& runtime) {
    Channel<int> channel;
    WaitGroup group;
    for (int i = 0; i < 20; ++i) {
      group.go([&] {
        const auto index =
            select(on_recv(channel, [](std::optional<int>) {}), on_recv(channel, [](std::optional<int>) {}));
        ++chosen.at(index.value_or(kNone));
      });
      (void)until_parked(runtime, WaitReason::kSelect);
      (void)channel.send(i);
      group.wait();
    }
  });
  CHECK(chosen[0] + chosen[1] == 20);
}

TEST_CASE("the end of a context ends a select") {
  std::size_t already = kNone;
  std::size_t later = kNone;
  std::size_t by_deadline = kNone;
  in_runtime([&](Runtime& runtime) {
    Channel<int> never;
    Context context;
    WaitGroup group;
    group.go([&] { later = select(on_recv(never, [](std::optional<int>) {}), on_done(context)).value_or(kNone); });
    (void)until_parked(runtime, WaitReason::kSelect);
    context.cancel();
    group.wait();
    already = select(on_done(context), on_recv(never, [](std::optional<int>) {})).value_or(kNone);
    const Context timed = Context().with_timeout(2ms);
    by_deadline = select(on_recv(never, [](std::optional<int>) {}), on_done(timed)).value_or(kNone);
  });
  CHECK(later == 1);
  CHECK(already == 0);
  CHECK(by_deadline == 1);
}

TEST_CASE("shutdown with kCancel ends a select without a case, even one that waits for nothing") {
  bool select_canceled = false;
  bool empty_canceled = false;
  std::string value = "kept";
  in_runtime(
      [&](Runtime& runtime) {
        Channel<std::string> channel;
        go([&, channel] {
          const auto index = select(on_send(channel, std::move(value), [](bool) {}), after(1h));
          select_canceled = !index && index.error().is(ErrorKind::kCanceled);
        });
        go([&] {
          const auto index = select();
          empty_canceled = !index && index.error().is(ErrorKind::kCanceled);
        });
        (void)until_parked(runtime, WaitReason::kSelect, 2);
      },
      Runtime::Shutdown::kCancel);
  CHECK(select_canceled);
  CHECK(empty_canceled);
  CHECK(value == "kept");
}

TEST_CASE("a select with many channels hears each of them") {
  std::array<int, 8> heard{};
  in_runtime([&](Runtime& runtime) {
    std::array<Channel<int>, 8> c;
    WaitGroup group;
    const auto hear = [&](int i) { return [&, i](std::optional<int> v) { heard[i] += v.value_or(100); }; };
    for (int i = 0; i < 8; ++i) {
      group.go([&] {
        (void)select(on_recv(c[7], hear(7)), on_recv(c[6], hear(6)), on_recv(c[5], hear(5)), on_recv(c[4], hear(4)),
                     on_recv(c[3], hear(3)), on_recv(c[2], hear(2)), on_recv(c[1], hear(1)), on_recv(c[0], hear(0)));
      });
      (void)until_parked(runtime, WaitReason::kSelect);
      (void)c[i].send(1);
      group.wait();
    }
  });
  CHECK(heard == std::array{1, 1, 1, 1, 1, 1, 1, 1});
}
