// The rings of a runtime read from outside, beside writers that overrun them.
#include "probes/self/ring_reader.h"

#include <unistd.h>

#include <atomic>
#include <thread>
#include <vector>

#include "libruntime/trace/ring.h"
#include "tests/support/catch.h"

namespace netpoll::probes {
namespace {

trace::Event numbered(std::uint64_t n) {
  trace::Event event;
  event.time_ns = n;
  event.args[0] = static_cast<std::int64_t>(n);
  event.args[4] = ~static_cast<std::int64_t>(n);
  return event;
}

// The ring is our own: process_vm_readv(2) reads the caller too.
std::uint64_t address_of(const trace::Ring& ring) { return reinterpret_cast<std::uint64_t>(&ring.header()); }

TEST_CASE("what was in a ring before is not read unless it is asked for") {
  trace::Ring ring;
  for (std::uint64_t i = 1; i <= 5; ++i) ring.push(numbered(i));
  const auto memory = make_process_memory(getpid());
  RingReader late(address_of(ring), /*from_start=*/false);
  RingReader early(address_of(ring), /*from_start=*/true);
  CHECK(late.read(*memory)->events.empty());
  CHECK(early.read(*memory)->events.size() == 5);
  ring.push(numbered(6));
  REQUIRE(late.read(*memory)->events.size() == 1);
  const auto read = early.read(*memory);
  REQUIRE(read->events.size() == 1);
  CHECK(read->events[0].args[0] == 6);
  CHECK(read->lost == 0);
}

TEST_CASE("an overrun ring says how many events it lost, and before which") {
  trace::Ring ring;
  const auto memory = make_process_memory(getpid());
  RingReader reader(address_of(ring), /*from_start=*/true);
  constexpr std::uint64_t kEvents = trace::Ring::kCapacity + 1000;
  for (std::uint64_t i = 1; i <= kEvents; ++i) ring.push(numbered(i));
  const auto read = reader.read(*memory);
  REQUIRE(read);
  // The slot that the writer would take next may be under its hands.
  CHECK(read->lost == 1001);
  REQUIRE(read->events.size() == trace::Ring::kCapacity - 1);
  CHECK(read->events.front().args[0] == 1002);
  CHECK(read->lost_before_ns == 1002);
}

TEST_CASE("a reader beside a fast writer never sees a torn event, and nothing is unaccounted for") {
  constexpr std::uint64_t kEvents = 2'000'000;
  trace::Ring ring;
  std::atomic<bool> done{false};
  std::thread writer([&] {
    for (std::uint64_t i = 1; i <= kEvents; ++i) ring.push(numbered(i));
    done.store(true);
  });
  const auto memory = make_process_memory(getpid());
  RingReader reader(address_of(ring), /*from_start=*/true);
  std::uint64_t got = 0;
  std::uint64_t lost = 0;
  std::uint64_t torn = 0;
  std::uint64_t out_of_order = 0;
  std::uint64_t last = 0;
  for (bool again = true; again;) {
    again = !done.load();
    const auto read = reader.read(*memory);
    if (!read) {
      FAIL_CHECK(read.error().message());
      break;
    }
    lost += read->lost;
    got += read->events.size();
    for (const trace::Event& event : read->events) {
      torn += event.args[4] != ~event.args[0];
      out_of_order += event.sequence <= last;
      last = event.sequence;
    }
  }
  writer.join();
  CHECK(torn == 0);
  CHECK(out_of_order == 0);
  CHECK(got + lost == kEvents);
}

TEST_CASE("a ring that makes no sense is refused") {
  const auto memory = make_process_memory(getpid());
  for (const debug::RingHeader bad :
       {debug::RingHeader{5, 4096, 3, sizeof(trace::Event)}, debug::RingHeader{5, 4096, 1u << 30, sizeof(trace::Event)},
        debug::RingHeader{5, 4096, 16, 48}, debug::RingHeader{5, 8, 16, sizeof(trace::Event)}}) {
    RingReader reader(reinterpret_cast<std::uint64_t>(&bad), /*from_start=*/true);
    CHECK_FALSE(reader.read(*memory));
  }
  const debug::RingHeader empty{};
  RingReader reader(reinterpret_cast<std::uint64_t>(&empty), /*from_start=*/true);
  const auto read = reader.read(*memory);
  REQUIRE(read);
  CHECK(read->events.empty());
}

}  // namespace
}  // namespace netpoll::probes
