// Every edge of the pollDesc's state machine, with scripted readiness.
#include <sys/types.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <vector>

#include "libruntime/base/clock.h"
#include "libruntime/poll/netpoll.h"
#include "libruntime/sched/scheduler.h"
#include "netpoll/go.h"
#include "tests/libruntime/goroutines.h"
#include "tests/libruntime/poll/world.h"
#include "tests/support/catch.h"
#include "tests/support/fake_poller.h"

namespace netpoll::poll {
namespace {

using namespace std::chrono_literals;

using World = test::World<test::FakePoller>;
using test::until;

bool parked(const PollDesc& pd, Mode mode) { return (mode == Mode::kRead ? pd.rg : pd.wg).load() > kPdWait; }

TEST_CASE("an event wakes the goroutine that is parked on its direction, and only that") {
  World world;
  std::atomic<int> reader{-1}, writer{-1};
  world.run([&] {
    PollDesc& pd = world.open(5);
    go([&] { reader = static_cast<int>(world.netpoll->wait(pd, Mode::kRead)); });
    go([&] { writer = static_cast<int>(world.netpoll->wait(pd, Mode::kWrite)); });
    until([&] { return parked(pd, Mode::kRead) && parked(pd, Mode::kWrite); });
    EXPECT_THAT(world.expectations, world.netpoll->waiters() == 2);
    world.deliver(5, kReadBit);
    until([&] { return reader >= 0; });
    EXPECT_THAT(world.expectations, parked(pd, Mode::kWrite));
    world.deliver(5, kWriteBit);
    until([&] { return writer >= 0; });
    world.close(pd);
  });
  CHECK(reader == static_cast<int>(PollResult::kOk));
  CHECK(writer == static_cast<int>(PollResult::kOk));
  CHECK(world.netpoll->waiters() == 0);
  CHECK(world.netpoll->cache().in_use() == 0);
}

TEST_CASE("ready before park is not lost: nil -> ready -> nil") {
  World world;
  PollResult result{};
  world.run([&] {
    PollDesc& pd = world.open(5);
    world.deliver(5, kReadBit);
    until([&] { return pd.rg.load() == kPdReady; });
    result = world.netpoll->wait(pd, Mode::kRead);
    EXPECT_THAT(world.expectations, pd.rg.load() == kPdNil);
    world.close(pd);
  });
  CHECK(result == PollResult::kOk);
}

TEST_CASE("prepare forgets an older readiness") {
  World world;
  world.run([&] {
    PollDesc& pd = world.open(5);
    world.deliver(5, kReadBit | kWriteBit);
    until([&] { return pd.rg.load() == kPdReady && pd.wg.load() == kPdReady; });
    EXPECT_THAT(world.expectations, Netpoll::prepare(pd, Mode::kRead) == PollResult::kOk);
    EXPECT_THAT(world.expectations, pd.rg.load() == kPdNil);
    EXPECT_THAT(world.expectations, pd.wg.load() == kPdReady);
    world.close(pd);
  });
}

TEST_CASE("check keeps an older readiness: the wait of a writer that found no room ends at once") {
  World world;
  PollResult result{};
  world.run([&] {
    PollDesc& pd = world.open(5);
    world.deliver(5, kReadBit | kWriteBit);
    until([&] { return pd.wg.load() == kPdReady; });
    CHECK(Netpoll::check(pd, Mode::kWrite) == PollResult::kOk);
    CHECK(pd.wg.load() == kPdReady);
    result = world.netpoll->wait(pd, Mode::kWrite);
    CHECK(pd.wg.load() == kPdNil);
    world.close(pd);
  });
  CHECK(result == PollResult::kOk);
}

TEST_CASE("close unblocks both directions, and every later operation") {
  World world;
  std::vector<PollResult> results(2);
  world.run([&] {
    PollDesc& pd = world.open(5);
    std::atomic<int> done{0};
    for (Mode mode : {Mode::kRead, Mode::kWrite}) {
      go([&, mode] {
        results[static_cast<std::size_t>(mode)] = world.netpoll->wait(pd, mode);
        ++done;
      });
    }
    until([&] { return parked(pd, Mode::kRead) && parked(pd, Mode::kWrite); });
    world.netpoll->unblock(pd);
    until([&] { return done == 2; });
    EXPECT_THAT(world.expectations, world.netpoll->wait(pd, Mode::kRead) == PollResult::kClosing);
    EXPECT_THAT(world.expectations, Netpoll::prepare(pd, Mode::kWrite) == PollResult::kClosing);
    world.netpoll->close(pd, true);
  });
  CHECK(results == std::vector<PollResult>{PollResult::kClosing, PollResult::kClosing});
}

TEST_CASE("an event of an earlier life is dropped and counted") {
  World world;
  world.run([&] {
    PollDesc& first = world.open(5);
    const std::uint64_t stale = world.poller->data_of(5);
    world.close(first);
    PollDesc& second = world.open(5);
    EXPECT_THAT(world.expectations, &second == &first);  // type-stable memory, next life
    EXPECT_THAT(world.expectations, world.poller->data_of(5) != stale);
    world.poller->deliver({stale, kReadBit, false, false});
    until([&] { return world.count(trace::Tp::stale_event) == 1; });
    EXPECT_THAT(world.expectations, second.rg.load() == kPdNil);
    world.close(second);
  });
}

TEST_CASE("an event whose data was never ours is reported, not followed") {
  World world;
  world.run([&] {
    PollDesc& pd = world.open(5);
    world.poller->deliver({0xdeadbeef'7fffffff, kReadBit, false, false});
    until([&] { return world.count(trace::Tp::foreign_ctl) == 1; });
    world.close(pd);
  });
}

TEST_CASE("a deadline unblocks its direction; the other one waits on") {
  World world;
  std::atomic<int> reader{-1};
  world.run([&] {
    PollDesc& pd = world.open(5);
    go([&] { reader = static_cast<int>(world.netpoll->wait(pd, Mode::kRead)); });
    std::atomic<bool> wrote{false};
    go([&] {
      EXPECT_THAT(world.expectations, world.netpoll->wait(pd, Mode::kWrite) == PollResult::kOk);
      wrote = true;
    });
    until([&] { return parked(pd, Mode::kRead) && parked(pd, Mode::kWrite); });
    world.netpoll->set_deadline(pd, kReadBit, base::nanotime() + 1'000'000);
    until([&] { return reader >= 0; });
    EXPECT_THAT(world.expectations, parked(pd, Mode::kWrite));
    EXPECT_THAT(world.expectations, pd.rd.load() < 0);
    world.deliver(5, kWriteBit);
    until([&] { return wrote.load(); });
    world.close(pd);
  });
  CHECK(reader == static_cast<int>(PollResult::kTimeout));
}

TEST_CASE("a deadline in the past unblocks a parked reader before set_deadline returns, and fails later ones") {
  World world;
  std::atomic<int> reader{-1};
  world.run([&] {
    PollDesc& pd = world.open(5);
    go([&] { reader = static_cast<int>(world.netpoll->wait(pd, Mode::kRead)); });
    until([&] { return parked(pd, Mode::kRead); });
    world.netpoll->set_deadline(pd, kReadBit, base::nanotime() - 1);
    EXPECT_THAT(world.expectations, !parked(pd, Mode::kRead));
    until([&] { return reader >= 0; });
    EXPECT_THAT(world.expectations, Netpoll::prepare(pd, Mode::kRead) == PollResult::kTimeout);
    world.netpoll->set_deadline(pd, kReadBit, 0);
    EXPECT_THAT(world.expectations, Netpoll::prepare(pd, Mode::kRead) == PollResult::kOk);
    world.close(pd);
  });
  CHECK(reader == static_cast<int>(PollResult::kTimeout));
}

TEST_CASE("a deadline that moves later while somebody waits fires at its new time, one that moves earlier too") {
  World world;
  std::vector<std::int64_t> fired_after;
  world.run([&] {
    PollDesc& pd = world.open(5);
    for (const std::int64_t second : {1'200'000'000, 5'000'000}) {
      std::atomic<bool> done{false};
      const std::int64_t start = base::nanotime();
      world.netpoll->set_deadline(pd, kReadBit, start + 1'000'000'000);
      std::int64_t end = 0;
      go([&] {
        EXPECT_THAT(world.expectations, world.netpoll->wait(pd, Mode::kRead) == PollResult::kTimeout);
        end = base::nanotime();
        done = true;
      });
      until([&] { return done || parked(pd, Mode::kRead); });  // on a slow machine the first deadline may be over
      world.netpoll->set_deadline(pd, kReadBit, start + second);
      until([&] { return done.load(); });
      fired_after.push_back(end - start - second);
      world.netpoll->set_deadline(pd, kReadBit, 0);
    }
    world.close(pd);
  });
  REQUIRE(fired_after.size() == 2);
  for (auto late : fired_after) CHECK(late >= 0);
}

TEST_CASE("a cleared deadline leaves no timer that could fire") {
  World world;
  std::atomic<int> reader{-1};
  world.run([&] {
    PollDesc& pd = world.open(5);
    world.netpoll->set_deadline(pd, 3, base::nanotime() + 3'600'000'000'000);
    go([&] { reader = static_cast<int>(world.netpoll->wait(pd, Mode::kRead)); });
    until([&] { return parked(pd, Mode::kRead); });
    world.netpoll->set_deadline(pd, 3, 0);
    std::size_t timers = 0;
    for (const auto& p : world.scheduler->ps()) timers += p->timers.size();
    EXPECT_EQUAL(world.expectations, timers, 0u);
    world.deliver(5, kReadBit);
    until([&] { return reader >= 0; });
    world.close(pd);
  });
  CHECK(reader == static_cast<int>(PollResult::kOk));
  CHECK(world.count(trace::Tp::deadline_fire) == 0);
}

TEST_CASE("a hang-up is remembered until the end of the pollDesc's life") {
  World world;
  world.run([&] {
    PollDesc& pd = world.open(5);
    world.deliver(5, kReadBit, true);
    EXPECT_THAT(world.expectations, world.netpoll->wait(pd, Mode::kRead) == PollResult::kOk);
    EXPECT_THAT(world.expectations, (pd.info.load() & kInfoHangup) != 0);
    world.deliver(5, kReadBit, false);
    EXPECT_THAT(world.expectations, world.netpoll->wait(pd, Mode::kRead) == PollResult::kOk);
    EXPECT_THAT(world.expectations, (pd.info.load() & kInfoHangup) != 0);
    world.close(pd);
    PollDesc& next = world.open(6);
    EXPECT_THAT(world.expectations, (next.info.load() & kInfoHangup) == 0);
    world.close(next);
  });
}

TEST_CASE("oneshot and level arm once per wait, edge never") {
  for (const Trigger trigger : {Trigger::kOneshot, Trigger::kLevel, Trigger::kEdge}) {
    World world(trigger);
    INFO("trigger " << trigger_name(trigger));
    world.run([&] {
      PollDesc& pd = world.open(5);
      for (int i = 0; i < 3; ++i) {
        std::atomic<bool> done{false};
        go([&] {
          EXPECT_THAT(world.expectations, world.netpoll->wait(pd, Mode::kRead) == PollResult::kOk);
          done = true;
        });
        until([&] { return parked(pd, Mode::kRead); });
        if (trigger != Trigger::kEdge) EXPECT_THAT(world.expectations, world.poller->armed(5) == kReadBit);
        world.deliver(5, kReadBit);
        until([&] { return done.load(); });
      }
      world.close(pd);
    });
    CHECK(world.count(trace::Tp::rearm) == (trigger == Trigger::kEdge ? 0u : 3u));
    // Level disarms at each delivery as well.
    CHECK(world.poller->arms() == (trigger == Trigger::kEdge ? 0 : trigger == Trigger::kOneshot ? 3 : 6));
  }
}

TEST_CASE("level: the registration goes before the descriptor, armed or not; else with it") {
  for (const Trigger trigger : {Trigger::kOneshot, Trigger::kLevel, Trigger::kEdge}) {
    World world(trigger);
    INFO("trigger " << trigger_name(trigger));
    world.run([&] {
      for (const bool waited : {false, true}) {
        PollDesc& pd = world.open(5);
        if (waited) {
          std::atomic<bool> done{false};
          go([&] {
            EXPECT_THAT(world.expectations, world.netpoll->wait(pd, Mode::kRead) == PollResult::kOk);
            done = true;
          });
          until([&] { return parked(pd, Mode::kRead); });
          world.deliver(5, kReadBit);
          until([&] { return done.load(); });
        }
        world.netpoll->unblock(pd);
        world.netpoll->close(pd, /*shared=*/false);
        EXPECT_THAT(world.expectations, world.poller->is_registered(5) == (trigger != Trigger::kLevel));
        world.poller->forget(5);
      }
    });
    CHECK(world.count(trace::Tp::foreign_ctl) == 0);
  }
}

TEST_CASE("oneshot arms again for the direction that was not delivered") {
  World world(Trigger::kOneshot);
  world.run([&] {
    PollDesc& pd = world.open(5);
    std::atomic<int> done{0};
    for (Mode mode : {Mode::kRead, Mode::kWrite}) {
      go([&, mode] {
        EXPECT_THAT(world.expectations, world.netpoll->wait(pd, mode) == PollResult::kOk);
        ++done;
      });
    }
    until([&] { return parked(pd, Mode::kRead) && parked(pd, Mode::kWrite); });
    EXPECT_THAT(world.expectations, world.poller->armed(5) == (kReadBit | kWriteBit));
    world.deliver(5, kReadBit);
    until([&] { return done == 1; });
    EXPECT_THAT(world.expectations, world.poller->armed(5) == kWriteBit);
    world.deliver(5, kWriteBit);
    until([&] { return done == 2; });
    world.close(pd);
  });
}

TEST_CASE("oneshot and level: whoever waits after a lasting report waits for edges, until the descriptor is closed") {
  for (const Trigger trigger : {Trigger::kOneshot, Trigger::kLevel}) {
    World world(trigger);
    world.run([&] {
      PollDesc& pd = world.open(5);
      int woken = 0;
      const auto wait_for = [&](Mode mode, bool lasting) {
        std::atomic<bool> ended{false};
        go([&] {
          EXPECT_THAT(world.expectations, world.netpoll->wait(pd, mode) == PollResult::kOk);
          ended = true;
        });
        until([&] { return parked(pd, mode); });
        world.poller->deliver({world.poller->data_of(5), 1u << static_cast<std::uint32_t>(mode), lasting, lasting});
        until([&] { return ended.load(); });
        ++woken;
      };
      wait_for(Mode::kRead, false);
      EXPECT_THAT(world.expectations, world.poller->armed(5) != test::FakePoller::kEdge);
      wait_for(Mode::kRead, true);
      EXPECT_THAT(world.expectations, world.poller->armed(5) != test::FakePoller::kEdge);
      // It was told, has tried, and waits again.
      wait_for(Mode::kRead, true);
      EXPECT_THAT(world.expectations, world.poller->armed(5) == test::FakePoller::kEdge);
      const int arms = world.poller->arms();
      wait_for(Mode::kRead, false);
      wait_for(Mode::kWrite, false);
      EXPECT_THAT(world.expectations, world.poller->arms() == arms);
      EXPECT_THAT(world.expectations, woken == 5);
      world.close(pd);
      PollDesc& next = world.open(5);
      EXPECT_THAT(world.expectations, &next == &pd);
      wait_for(Mode::kRead, false);
      EXPECT_THAT(world.expectations, world.poller->armed(5) != test::FakePoller::kEdge);
      world.close(next);
    });
    CHECK(world.netpoll->cache().in_use() == 0);
  }
}

TEST_CASE("a registration that somebody removed is found at the next arm, reported and repaired") {
  World world(Trigger::kOneshot);
  world.run([&] {
    PollDesc& pd = world.open(5);
    world.poller->forget(5);
    std::atomic<bool> done{false};
    go([&] {
      EXPECT_THAT(world.expectations, world.netpoll->wait(pd, Mode::kRead) == PollResult::kOk);
      done = true;
    });
    until([&] { return parked(pd, Mode::kRead); });
    EXPECT_THAT(world.expectations, (pd.info.load() & kInfoForeign) != 0);
    world.deliver(5, kReadBit);
    until([&] { return done.load(); });
    world.close(pd);
  });
  CHECK(world.count(trace::Tp::foreign_ctl) == 1);
}

TEST_CASE("shutdown with cancel ends present and future waits with kCanceled") {
  World world;
  std::atomic<int> first{-1}, second{-1};
  std::atomic<bool> is_parked{false};
  world.start([&] {
    PollDesc& pd = world.open(5);
    go([&] {
      until([&] { return parked(pd, Mode::kRead); });
      is_parked = true;
    });
    first = static_cast<int>(world.netpoll->wait(pd, Mode::kRead));
    second = static_cast<int>(world.netpoll->wait(pd, Mode::kWrite));
    world.close(pd);
  });
  test::must(test::eventually([&] { return is_parked.load(); }));
  world.scheduler->cancel_all();
  world.scheduler->wait_until_no_goroutines();
  CHECK(first == static_cast<int>(PollResult::kCanceled));
  CHECK(second == static_cast<int>(PollResult::kCanceled));
}

}  // namespace
}  // namespace netpoll::poll
