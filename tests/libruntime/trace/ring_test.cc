// The ring of events beside its reader, and the table of tracepoints.
#include "libruntime/trace/ring.h"

#include "libruntime/base/clock.h"
#include "libruntime/trace/lane.h"
#include "tests/support/catch.h"

namespace netpoll::trace {
namespace {

const Event& slot(const Ring& ring, std::size_t index) {
  return reinterpret_cast<const Event*>(ring.header().slots)[index];
}

TEST_CASE("a ring keeps the newest events, each in the slot of its number") {
  Ring ring;
  REQUIRE(ring.header().capacity == Ring::kCapacity);
  REQUIRE(ring.header().event_size == sizeof(Event));
  constexpr std::uint64_t kEvents = Ring::kCapacity + 3;
  for (std::uint64_t i = 1; i <= kEvents; ++i) {
    Event event;
    event.args[0] = static_cast<std::int64_t>(i);
    ring.push(event);
  }
  CHECK(ring.header().head == kEvents);
  CHECK(slot(ring, 2).sequence == kEvents);
  CHECK(slot(ring, 2).args[0] == static_cast<std::int64_t>(kEvents));
  CHECK(slot(ring, 3).sequence == 4);
}

TEST_CASE("a lane counts always, and records only until the moment that somebody asked for") {
  Counters counters;
  Ring ring;
  Lane lane(3, counters, ring);
  NETPOLL_TRACE(lane, run, 17, 3);
  record_until.store(static_cast<std::uint64_t>(base::nanotime()) + 60'000'000'000);
  NETPOLL_TRACE(lane, run, 18, 3);
  record_until.store(static_cast<std::uint64_t>(base::nanotime()) - 1);
  NETPOLL_TRACE(lane, run, 19, 3);
  CHECK_FALSE(Lane::recording());  // whoever finds that the time is over says so to the others
  REQUIRE(ring.header().head == 1);
  CHECK(slot(ring, 0).tp == Tp::run);
  CHECK(slot(ring, 0).args[0] == 18);
  CHECK(slot(ring, 0).p == 3);
  CHECK(slot(ring, 0).time_ns > 0);
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
