// Timers and tickers that send or start something.
#include "netpoll/sync/timer.h"

#include <atomic>
#include <optional>
#include <vector>

#include "netpoll/sync/select.h"
#include "netpoll/sync/wait_group.h"
#include "tests/libruntime/sync/in_runtime.h"

using namespace netpoll;
using namespace std::chrono_literals;
using test::in_runtime;
using test::soon;

namespace {

using Clock = std::chrono::steady_clock;

// Whether nothing arrives for a while; a late timer would have come by then unless the machine stands still.
bool stays_empty(const Channel<Clock::time_point>& channel) {
  (void)sleep(20ms);
  return channel.size() == 0;
}

}  // namespace

TEST_CASE("a timer sends the time once, and not before its span is over") {
  bool once = false;
  Clock::duration took{};
  in_runtime([&](Runtime&) {
    const auto begin = Clock::now();
    Timer timer(5ms);
    const auto at = timer.channel().recv();
    took = at.value_or(begin) - begin;
    once = stays_empty(timer.channel()) && !timer.stop();
  });
  CHECK(took >= 5ms);
  CHECK(once);
}

TEST_CASE("a span that is over fires at once") {
  bool fired = true;
  in_runtime([&](Runtime&) {
    for (const std::chrono::nanoseconds span : {0ns, -1ns, std::chrono::nanoseconds::min()}) {
      Timer timer(span);
      fired = fired && timer.channel().recv().has_value();
    }
  });
  CHECK(fired);
}

TEST_CASE("a stopped timer sends nothing, and says whether it was stopped in time") {
  bool first = false;
  bool second = true;
  bool empty = false;
  bool after_firing = true;
  bool thrown_away = false;
  in_runtime([&](Runtime&) {
    Timer timer(10ms);
    first = timer.stop();
    second = timer.stop();
    empty = stays_empty(timer.channel());
    Timer fired(0ns);
    (void)soon([&] { return fired.channel().size() == 1; });
    after_firing = fired.stop();
    thrown_away = fired.channel().size() == 0;
  });
  CHECK(first);
  CHECK_FALSE(second);
  CHECK(empty);
  CHECK_FALSE(after_firing);
  CHECK(thrown_away);
}

TEST_CASE("reset starts a timer anew, whatever it did before") {
  bool pending = false;
  bool later = false;
  bool not_pending = true;
  bool again = false;
  in_runtime([&](Runtime&) {
    Timer timer(1h);
    pending = timer.reset(1ms);
    later = timer.channel().recv().has_value();
    not_pending = timer.reset(0ns);
    (void)soon([&] { return timer.channel().size() == 1; });
    const auto begin = Clock::now();
    timer.reset(3ms);  // what lies in the channel is of the earlier start
    again = timer.channel().recv().value_or(begin) >= begin + 3ms;
  });
  CHECK(pending);
  CHECK(later);
  CHECK_FALSE(not_pending);
  CHECK(again);
}

TEST_CASE("a timer with a function starts it as a goroutine, which may end in any way") {
  std::atomic<std::uint64_t> by{0};
  std::uint64_t mine = 0;
  std::atomic<int> exits{0};
  in_runtime([&](Runtime&) {
    mine = goid();
    Timer timer(1ms, [&] { by = goid(); });
    (void)soon([&] { return by != 0; });
    Timer leaves(0ns, [&] {
      exits.fetch_add(1);
      go_exit();
    });
    (void)soon([&] { return exits == 1; });
    leaves.reset(0ns);
    (void)soon([&] { return exits == 2; });
  });
  CHECK(by != 0);
  CHECK(by != mine);
  CHECK(exits == 2);
}

TEST_CASE("a destroyed timer does not fire, and its channel lives on") {
  std::atomic<int> calls{0};
  bool empty = false;
  in_runtime([&](Runtime&) {
    std::optional<Channel<Clock::time_point>> channel;
    {
      Timer timer(5ms);
      const Timer function(5ms, [&] { calls.fetch_add(1); });
      channel = timer.channel();
    }
    empty = stays_empty(*channel);
  });
  CHECK(empty);
  CHECK(calls == 0);
}

TEST_CASE("a ticker sends the time every period, drops what nobody takes, and keeps its phase") {
  constexpr auto kPeriod = 2ms;
  std::vector<Clock::time_point> ticks;
  Clock::time_point begin;
  std::size_t held = 0;
  in_runtime([&](Runtime&) {
    begin = Clock::now();
    Ticker ticker(kPeriod);
    for (int i = 0; i < 5; ++i) ticks.push_back(ticker.channel().recv().value_or(begin));
    (void)sleep(5 * kPeriod);
    held = ticker.channel().size();
    for (int i = 0; i < 3; ++i) ticks.push_back(ticker.channel().recv().value_or(begin));
  });
  CHECK(held <= 1);
  for (std::size_t i = 0; i < ticks.size(); ++i) {
    INFO(i);
    CHECK(ticks[i] >= begin + kPeriod * (static_cast<int>(i) + 1));
    if (i > 0) CHECK(ticks[i] > ticks[i - 1]);
  }
}

TEST_CASE("a stopped ticker is silent until it is reset") {
  bool silent = false;
  bool ticks = true;
  in_runtime([&](Runtime&) {
    Ticker ticker(1ms);
    ticks = ticks && ticker.channel().recv().has_value();
    ticker.stop();
    silent = stays_empty(ticker.channel());
    ticker.reset(1ms);
    for (int i = 0; i < 3; ++i) ticks = ticks && ticker.channel().recv().has_value();
  });
  CHECK(silent);
  CHECK(ticks);
}

TEST_CASE("select waits for a timer beside other channels") {
  std::size_t chosen = 9;
  in_runtime([&](Runtime&) {
    const Channel<int> nobody;
    Timer timer(1ms);
    chosen = select(on_recv(nobody, [](auto) {}), on_recv(timer.channel(), [](auto) {})).value_or(9);
  });
  CHECK(chosen == 1);
}

TEST_CASE("every start of a function is run or was stopped, however starts, stops and firing race") {
  constexpr int kTimers = 50;
  constexpr int kRounds = 60;
  std::atomic<int> ran{0};
  std::atomic<int> prevented{0};
  in_runtime([&](Runtime&) {
    WaitGroup done;
    done.add(kTimers);
    for (int t = 0; t < kTimers; ++t) {
      go([&, t] {
        Timer timer(1h, [&] { ran.fetch_add(1); });
        for (int round = 0; round < kRounds; ++round) {
          // The last start of a round is stopped or has fired when its outcome is asked for.
          if (timer.reset(std::chrono::microseconds((t + round) % 7 * 10))) prevented.fetch_add(1);
          if (round % 3 == 0) (void)sleep(std::chrono::microseconds(30));
          if (round % 5 == 0) yield();
        }
        if (timer.stop()) prevented.fetch_add(1);
        done.done();
      });
    }
    done.wait();
  });
  CHECK(ran + prevented == kTimers * (kRounds + 1));
}
