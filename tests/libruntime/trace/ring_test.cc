#include "libruntime/trace/ring.h"

#include <thread>
#include <vector>

#include "libruntime/trace/lane.h"
#include "tests/support/catch.h"

namespace netpoll::trace {
namespace {

struct Capture : Sink {
  std::vector<Event> events;
  std::uint64_t gaps = 0;
  void event(const Event& event) override { events.push_back(event); }
  void lost(std::uint64_t count) override { gaps += count; }
};

Event numbered(std::int64_t n) {
  Event event;
  event.args[0] = n;
  event.args[4] = ~n;
  return event;
}

TEST_CASE("a ring that was not overrun gives every event in order") {
  Ring ring(16);
  for (int i = 0; i < 16; ++i) ring.push(numbered(i));
  Capture capture;
  CHECK(ring.read(0, capture) == 16);
  REQUIRE(capture.events.size() == 16);
  CHECK(capture.gaps == 0);
  for (int i = 0; i < 16; ++i) CHECK(capture.events[static_cast<std::size_t>(i)].args[0] == i);
  CHECK(ring.read(16, capture) == 16);
  CHECK(capture.events.size() == 16);
}

TEST_CASE("an overrun ring says how many events it lost") {
  Ring ring(16);
  for (int i = 0; i < 40; ++i) ring.push(numbered(i));
  Capture capture;
  CHECK(ring.read(0, capture) == 40);
  CHECK(capture.gaps == 24);
  REQUIRE(capture.events.size() == 16);
  CHECK(capture.events.front().args[0] == 24);
}

TEST_CASE("a reader beside a fast writer never sees a torn event, and nothing is unaccounted for") {
  constexpr std::uint64_t kEvents = 200'000;
  Ring ring(64);
  std::thread writer([&] {
    for (std::uint64_t i = 1; i <= kEvents; ++i) ring.push(numbered(static_cast<std::int64_t>(i)));
  });
  Capture capture;
  std::uint64_t seen = 0;
  while (seen < kEvents) seen = ring.read(seen, capture);
  writer.join();
  CHECK(capture.events.size() + capture.gaps == kEvents);
  std::uint64_t torn = 0;
  for (const Event& event : capture.events) torn += event.args[4] != ~event.args[0];
  CHECK(torn == 0);
}

TEST_CASE("a lane counts always and records only while it has a ring") {
  Counters counters;
  Lane lane(3, counters);
  NETPOLL_TRACE(lane, run, 17, 3);
  Ring ring(8);
  lane.set_ring(&ring);
  NETPOLL_TRACE(lane, run, 18, 3);
  lane.set_ring(nullptr);
  NETPOLL_TRACE(lane, run, 19, 3);
  Capture capture;
  ring.read(0, capture);
  REQUIRE(capture.events.size() == 1);
  CHECK(capture.events[0].tp == Tp::run);
  CHECK(capture.events[0].args[0] == 18);
  CHECK(capture.events[0].p == 3);
  CHECK(capture.events[0].time_ns > 0);
  CHECK(counters.count[static_cast<std::size_t>(Tp::run)] == 3);
}

TEST_CASE("every row of the table has a name, a meaning and as many arguments as it says") {
  for (const TpInfo& info : tracepoints()) {
    INFO(info.name);
    CHECK_FALSE(info.meaning.empty());
    for (std::size_t i = 0; i < kTpMaxArgs; ++i) CHECK(info.args[i].empty() == (i >= info.argc));
  }
}

}  // namespace
}  // namespace netpoll::trace
