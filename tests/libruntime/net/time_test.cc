// The ends of time, in every kind of wait that takes a time or a span: the longest means never, the shortest at once.
#include "netpoll/time.h"

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>

#include "netpoll/net/conn.h"
#include "netpoll/net/dial.h"
#include "netpoll/net/listener.h"
#include "netpoll/net/packet_conn.h"
#include "netpoll/net/pipe.h"
#include "netpoll/sync/cond.h"
#include "netpoll/sync/context.h"
#include "netpoll/sync/select.h"
#include "netpoll/sync/semaphore.h"
#include "netpoll/sync/timer.h"
#include "netpoll/sync/wait_group.h"
#include "tests/libruntime/net/support.h"

namespace netpoll {
namespace {

using namespace std::chrono_literals;
using std::chrono::nanoseconds;
using test::Checks;
using test::outcome;

constexpr auto kLongest = nanoseconds::max();
constexpr auto kShortest = nanoseconds::min();

static_assert(detail::saturated_sum(1, 2) == 3);
static_assert(detail::saturated_sum(1, INT64_MAX) == INT64_MAX);
static_assert(detail::saturated_sum(INT64_MAX, 1) == INT64_MAX);
static_assert(detail::saturated_sum(-2, INT64_MIN) == INT64_MIN);
static_assert(detail::saturated_sum(1, INT64_MIN) == INT64_MIN + 1);

// Reads one byte with deadline while nothing comes, then what comes.
std::string read_one(Conn& conn, TimePoint deadline) {
  if (auto set = conn.set_read_deadline(deadline); !set) return outcome(set);
  std::array<std::byte, 1> byte;
  return outcome(conn.read(byte));
}

// Every wait that can be told a point of time. Each ends with success by what `open` stands for, or with kTimeout.
void wait_in_every_way(Checks& checks, TimePoint time, const std::string& wanted) {
  Channel<int> given;
  Channel<int> taken;
  Semaphore permits(0);
  Mutex mutex;
  Cond changed;
  bool change = false;
  auto pair = socket_pair();
  auto listener = Listener::listen("127.0.0.1:0");
  auto packets = PacketConn::bind("127.0.0.1:0");
  auto sender = PacketConn::connect(packets->local());
  const Context context = Context().with_deadline(time);

  std::atomic<int> ended{0};
  int ways = 0;
  WaitGroup group;
  const auto way = [&](const char* what, auto wait) {
    ++ways;
    group.go([&, what, wait] {
      const std::string result = wait();
      if (result != wanted) checks.fail(std::string(what) + ": " + result + " in " + test::setup_name(checks.config()));
      ++ended;
    });
  };
  way("recv_until", [&] { return outcome(given.recv_until(time)); });
  way("send_until", [&] { return outcome(taken.send_until(time, 1)); });
  way("acquire_until", [&] { return outcome(permits.acquire_until(time)); });
  way("wait_until", [&] {
    const std::lock_guard hold(mutex);
    return outcome(changed.wait_until(mutex, time, [&] { return change; }));
  });
  way("select", [&, never = Channel<int>()] {
    std::string result = "timeout";
    (void)select(on_recv(never, [](auto) {}), on_recv(given, [&](auto) { result = "ok"; }), at(time));
    return result;
  });
  way("select of a bare time", [&] {
    std::string result = "timeout";
    (void)select(on_recv(given, [&](auto) { result = "ok"; }), time);
    return result;
  });
  way("context", [&] {
    std::string result = "timeout";
    (void)select(on_recv(given, [&](auto) { result = "ok"; }), on_done(context));
    return result;
  });
  way("read", [&] { return read_one(pair->first, time); });
  way("accept", [&] {
    (void)listener->set_deadline(time);
    return outcome(listener->accept());
  });
  way("read of a packet", [&] {
    (void)packets->set_read_deadline(time);
    std::array<std::byte, 8> buffer;
    return outcome(packets->read(buffer));
  });
  if (wanted == "ok") {
    // None ends by itself, in a time in which the sleep of this goroutine and every deadline in the past have ended.
    EXPECT_THAT(checks, test::parked_for(checks, WaitReason::kIoWait, 3));
    EXPECT_THAT(checks, test::parked_for(checks, WaitReason::kSelect, 3));
    (void)sleep(20ms);
    EXPECT_EQUAL(checks, ended.load(), 0);
    for (int i = 0; i < 4; ++i) (void)given.send(1);
    (void)taken.recv();
    permits.release();
    {
      const std::lock_guard hold(mutex);
      change = true;
    }
    changed.notify_all();
    EXPECT_EQUAL(checks, outcome(pair->second.write("x")), "ok");
    EXPECT_EQUAL(checks, outcome(dial(listener->local(), {.deadline = time})), "ok");
    EXPECT_EQUAL(checks, outcome(sender->write(test::bytes("x"))), "ok");
  }
  group.wait();
  EXPECT_EQUAL(checks, ended.load(), ways);
}

TEST_CASE("a time that the clock never reaches ends no wait") {
  test::in_every_setup([](Checks& checks) {
    for (const TimePoint never : {after(kLongest), TimePoint::max(), TimePoint::max() - 1ns, after(kLongest / 2)}) {
      EXPECT_THAT(checks, never > std::chrono::steady_clock::now() + 24h);
      wait_in_every_way(checks, never, "ok");
    }
  });
}

TEST_CASE("a time before all others ends every wait at once") {
  test::in_every_setup([](Checks& checks) {
    for (const TimePoint past : {after(kShortest), TimePoint::min(), after(-1ns), TimePoint()}) {
      wait_in_every_way(checks, past, "timeout");
    }
  });
}

TEST_CASE("the longest span neither sleeps short nor fires") {
  Config config{.procs = test::procs()};
  for (const PollMode mode : {PollMode::kThread, PollMode::kInline, PollMode::kHybrid}) {
    config.poll_mode = mode;
    std::atomic<int> woken{0};
    std::size_t elements = 0;
    bool context_ended = true;
    bool was_pending = false;
    bool fired = true;
    int chosen = 0;
    bool ended_at_once = false;
    Runtime runtime(config);
    runtime.run([&] {
      go([&] { woken += sleep(kLongest).has_value(); });
      go([&] { woken += sleep_until(TimePoint::max()).has_value(); });
      go([&] { woken += sleep_until(TimePoint::max() - 1ns).has_value(); });
      const Context context = Context().with_timeout(kLongest);
      Timer timer(kLongest);
      Ticker ticker(kLongest);
      std::atomic<bool> ran{false};
      Timer function(kLongest, [&] { ran = true; });
      Channel<int> channel;
      go([channel] {
        (void)sleep(20ms);
        (void)channel.send(1);
      });
      (void)select(on_recv(channel, [&](auto) { chosen = 1; }), after(kLongest, [&] { chosen = 2; }));
      elements = timer.channel().size() + ticker.channel().size();
      context_ended = context.done();
      was_pending = timer.reset(kLongest) && timer.stop() && function.stop();
      fired = ran;
      // The other end.
      (void)sleep(kShortest);
      Timer at_once(kShortest);
      ended_at_once = at_once.channel().recv().has_value() && Context().with_timeout(kShortest).done();
    });
    INFO(test::setup_name(config));
    CHECK(woken == 0);
    CHECK(elements == 0);
    CHECK_FALSE(context_ended);
    CHECK(was_pending);
    CHECK_FALSE(fired);
    CHECK(chosen == 1);
    CHECK(ended_at_once);
  }
}

// One name, whatever is included: this file includes the headers of net/ and of sync/.
TEST_CASE("after is a deadline of I/O, a case of select, and with a handler a case that says so") {
  test::in_default_setup([](Checks& checks) {
    Channel<int> nobody;
    const auto receive = [&] { return on_recv(nobody, [](auto) {}); };
    auto pair = socket_pair();
    EXPECT_EQUAL(checks, read_one(pair->first, after(1ms)), "timeout");
    EXPECT_EQUAL(checks, select(receive(), after(1ms)).value_or(9), 1u);
    const TimePoint time = after(1ms);
    EXPECT_EQUAL(checks, select(time, receive()).value_or(9), 0u);
    EXPECT_EQUAL(checks, select(receive(), std::chrono::steady_clock::now() + 1ms).value_or(9), 1u);
    bool ran = false;
    EXPECT_EQUAL(checks, select(receive(), after(1ms, [&] { ran = true; }).when(true)).value_or(9), 1u);
    EXPECT_THAT(checks, ran);
    EXPECT_EQUAL(checks, select(at(after(1ms)).when(false), receive(), after(2ms)).value_or(9), 2u);
  });
}

}  // namespace
}  // namespace netpoll
