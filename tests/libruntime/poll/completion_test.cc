// An operation's life between its goroutine, close, deadlines and the kernel, with scripted completions: in every order
// it ends once, and its goroutine goes on only when the kernel has given it back.
#include <atomic>
#include <cerrno>
#include <chrono>
#include <optional>

#include "libruntime/base/clock.h"
#include "libruntime/poll/netpoll.h"
#include "netpoll/go.h"
#include "tests/libruntime/goroutines.h"
#include "tests/libruntime/poll/world.h"
#include "tests/support/catch.h"
#include "tests/support/fake_completion.h"

namespace netpoll::poll {
namespace {

using namespace std::chrono_literals;
using test::until;
using World = test::World<test::FakeCompletion>;

bool parked(const PollDesc& pd) { return pd.rg.load() > kPdWait; }

// A goroutine that performs one receive on pd.
struct Reader {
  std::atomic<bool> ended{false};
  PollResult how{};
  long result = 0;

  void start(World& world, PollDesc& pd) {
    ended = false;
    go([this, &world, &pd] {
      Operation op{.kind = OperationKind::kReceive};
      how = world.netpoll->perform(pd, Mode::kRead, op);
      result = op.result;
      ended = true;
    });
  }
};

// The operation of a reader that is parked for it.
Operation& under_way(World& world, const PollDesc& pd) {
  until([&] { return world.poller->under_way() == 1 && parked(pd); });
  return world.poller->oldest();
}

void give_it_time_to_end() {
  for (int i = 0; i < 5; ++i) static_cast<void>(sleep(1ms));
}

}  // namespace

TEST_CASE("the end of an operation ends the wait of its goroutine, with its result") {
  World world;
  world.run([&] {
    PollDesc& pd = world.open(5);
    Reader reader;
    reader.start(world, pd);
    Operation& op = under_way(world, pd);
    EXPECT_THAT(world.expectations, op.data == pd.event_data() && op.modes == kReadBit);
    EXPECT_THAT(world.expectations, world.netpoll->waiters() == 1);
    world.poller->finish(op, 42);
    until([&] { return reader.ended.load(); });
    EXPECT_THAT(world.expectations, reader.how == PollResult::kOk && reader.result == 42);
    world.close(pd);
  });
  CHECK(world.netpoll->waiters() == 0);
  CHECK(world.netpoll->cache().in_use() == 0);
}

TEST_CASE("an operation that is done before its goroutine parks is not lost") {
  World world;
  world.poller->at_once(true);
  world.run([&] {
    PollDesc& pd = world.open(5);
    for (int i = 0; i < 100; ++i) {
      Operation op{.kind = OperationKind::kSend};
      EXPECT_THAT(world.expectations, world.netpoll->perform(pd, Mode::kWrite, op) == PollResult::kOk);
      EXPECT_THAT(world.expectations, op.done.load());
    }
    world.close(pd);
  });
  CHECK(world.netpoll->waiters() == 0);
}

TEST_CASE("close and deadlines take the operation back, and its goroutine waits until the kernel gave it") {
  for (const bool by_deadline : {false, true}) {
    World world;
    world.run([&] {
      PollDesc& pd = world.open(5);
      Reader reader;
      reader.start(world, pd);
      Operation& op = under_way(world, pd);
      if (by_deadline) {
        world.netpoll->set_deadline(pd, 1, base::nanotime() + 1'000'000);
      } else {
        world.netpoll->unblock(pd);
      }
      until([&] { return world.poller->canceled(op); });
      // Nothing that would end a wait ends this one.
      if (by_deadline) {
        world.netpoll->set_deadline(pd, 1, 0);
        world.netpoll->set_deadline(pd, 1, -1);
      }
      give_it_time_to_end();
      EXPECT_THAT(world.expectations, !reader.ended.load());
      world.poller->finish(op, -ECANCELED);
      until([&] { return reader.ended.load(); });
      EXPECT_THAT(world.expectations, reader.how == (by_deadline ? PollResult::kTimeout : PollResult::kClosing));
      if (by_deadline) world.netpoll->unblock(pd);
      world.netpoll->close(pd, false);
    });
    CHECK(world.netpoll->waiters() == 0);
    CHECK(world.netpoll->cache().in_use() == 0);
  }
}

TEST_CASE("what an operation moved before it could be taken back counts") {
  World world;
  world.run([&] {
    PollDesc& pd = world.open(5);
    Reader reader;
    reader.start(world, pd);
    Operation& op = under_way(world, pd);
    world.netpoll->set_deadline(pd, 1, -1);
    until([&] { return world.poller->canceled(op); });
    world.poller->finish(op, 7);
    until([&] { return reader.ended.load(); });
    EXPECT_THAT(world.expectations, reader.how == PollResult::kOk && reader.result == 7);
    // The deadline stands: the next operation is not even submitted.
    reader.start(world, pd);
    until([&] { return reader.ended.load(); });
    EXPECT_THAT(world.expectations, reader.how == PollResult::kTimeout && world.poller->under_way() == 0);
    world.close(pd);
  });
}

TEST_CASE("an operation that is done when close comes ends with its result, and its late report ends no other") {
  World world;
  world.run([&] {
    PollDesc& pd = world.open(5);
    Reader reader;
    reader.start(world, pd);
    const Readiness late = world.poller->finish(under_way(world, pd), 3, /*told=*/false);
    world.netpoll->set_deadline(pd, 1, -1);
    until([&] { return reader.ended.load(); });
    EXPECT_THAT(world.expectations, reader.how == PollResult::kOk && reader.result == 3);
    world.netpoll->set_deadline(pd, 1, 0);

    reader.start(world, pd);
    Operation& second = under_way(world, pd);
    world.poller->deliver(late);
    until([&] { return world.poller->delivered() && parked(pd); });
    give_it_time_to_end();
    EXPECT_THAT(world.expectations, !reader.ended.load());
    world.poller->finish(second, 9);
    until([&] { return reader.ended.load(); });
    EXPECT_THAT(world.expectations, reader.how == PollResult::kOk && reader.result == 9);
    world.close(pd);
  });
  CHECK(world.netpoll->waiters() == 0);
}

TEST_CASE("shutdown takes operations back") {
  World world;
  Reader reader;
  world.run([&] {
    PollDesc& pd = world.open(5);
    reader.start(world, pd);
    Operation& op = under_way(world, pd);
    world.netpoll->cancel_all();
    until([&] { return world.poller->canceled(op); });
    world.poller->finish(op, -ECANCELED);
    until([&] { return reader.ended.load(); });
    world.close(pd);
  });
  CHECK(reader.how == PollResult::kCanceled);
}

TEST_CASE("the shutdown of the reading half takes the operation back, and what it moved before counts") {
  World world;
  world.run([&] {
    PollDesc& pd = world.open(5);
    Reader reader;
    for (const bool moved : {false, true}) {
      // The second operation is submitted after the shutdown: what the kernel makes of it is asked of the kernel.
      reader.start(world, pd);
      if (!moved) {
        until([&] { return parked(pd); });
        world.netpoll->end_reads(pd);
      }
      until([&] { return world.poller->under_way() == 1 && world.poller->canceled(world.poller->oldest()); });
      give_it_time_to_end();
      EXPECT_THAT(world.expectations, !reader.ended.load());
      world.poller->finish(world.poller->oldest(), moved ? 5 : -ECANCELED);
      until([&] { return reader.ended.load(); });
      EXPECT_THAT(world.expectations, reader.how == (moved ? PollResult::kOk : PollResult::kEnd));
    }
    EXPECT_THAT(world.expectations, reader.result == 5);
    // A deadline that has passed comes first, as with a read(2) that is not tried.
    world.netpoll->set_deadline(pd, 1, -1);
    reader.start(world, pd);
    until([&] { return reader.ended.load(); });
    EXPECT_THAT(world.expectations, reader.how == PollResult::kTimeout && world.poller->under_way() == 0);
    world.close(pd);
  });
  CHECK(world.netpoll->waiters() == 0);
}

TEST_CASE("the shutdown of the reading half ends a wait for readiness as if there were something, and no write") {
  World world;
  PollResult reading{}, writing{};
  world.run([&] {
    PollDesc& pd = world.open(5);
    go([&] { reading = world.netpoll->wait(pd, Mode::kRead); });
    Operation& read = under_way(world, pd);
    go([&] { writing = world.netpoll->wait(pd, Mode::kWrite); });
    until([&] { return world.poller->under_way() == 2 && pd.wg.load() > kPdWait; });
    world.netpoll->end_reads(pd);
    until([&] { return world.poller->canceled(read); });
    world.poller->finish(read, -ECANCELED);
    until([&] { return world.poller->under_way() == 1 && !parked(pd); });
    Operation& write = world.poller->oldest();
    give_it_time_to_end();
    EXPECT_THAT(world.expectations, !world.poller->canceled(write) && write.modes == kWriteBit);
    world.poller->finish(write, 0);
    until([&] { return pd.wg.load() <= kPdWait; });
    world.close(pd);
  });
  CHECK(reading == PollResult::kOk);
  CHECK(writing == PollResult::kOk);
}

TEST_CASE("waiting for readiness is an operation as well") {
  World world;
  PollResult how{};
  std::optional<OperationKind> kind;
  world.run([&] {
    PollDesc& pd = world.open(5);
    go([&] { how = world.netpoll->wait(pd, Mode::kRead); });
    Operation& op = under_way(world, pd);
    kind = op.kind;
    EXPECT_THAT(world.expectations, op.fd == 5);
    world.poller->finish(op, 0);
    until([&] { return !parked(pd); });
    world.close(pd);
  });
  CHECK(how == PollResult::kOk);
  CHECK(kind == OperationKind::kReady);
}

TEST_CASE("what a goroutine queues reaches the kernel, whoever polls and whatever its thread does next") {
  for (const PollMode mode : {PollMode::kThread, PollMode::kInline, PollMode::kHybrid}) {
    World world(Trigger::kEdge, mode);
    world.poller->lazy(true);
    world.run([&] {
      PollDesc& pd = world.open(5);
      for (const char* next : {"idle", "blocking call", "hog"}) {
        Reader reader;
        const int before = world.poller->flushes();
        reader.start(world, pd);
        until([&] { return world.poller->under_way() == 1; });
        if (*next == 'b') block_on([&] { test::eventually([&] { return world.poller->flushes() > before; }); });
        if (*next == 'h') test::eventually([&] { return world.poller->flushes() > before; });
        until([&] { return world.poller->flushes() > before && parked(pd); });
        world.poller->finish(world.poller->oldest(), 1);
        until([&] { return reader.ended.load(); });
      }
      world.close(pd);
    });
  }
}

}  // namespace netpoll::poll
