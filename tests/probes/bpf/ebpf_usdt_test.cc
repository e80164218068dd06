// Hits of libruntime's USDT probes, counted in a program that knows how often it hit them.
#include <sstream>

#include "tests/probes/bpf/ebpf_or_skip.h"
#include "tests/probes/counted_run.h"
#include "tests/support/prey.h"

namespace netpoll::test {
namespace {

using trace::Tp;

constexpr const char* kTracepoints = NETPOLL_KNOWN_TRACEPOINTS;

struct Hits {
  std::uint64_t hits = 0, unheard = 0;
};

Hits truth_of(const std::string& output, const std::string& name) {
  std::istringstream lines(output);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string kind, probe;
    Hits hits;
    words >> kind >> probe >> hits.hits >> hits.unheard;
    if (kind == "tracepoint" && probe == name) return hits;
  }
  return {};
}

std::optional<std::uint64_t> count_of(const probes::Counts& counts, Tp tp) {
  return counts.tracepoints[static_cast<std::size_t>(tp)];
}

}  // namespace

TEST_CASE("tracepoints of a held child are counted from the first to the last") {
  for (const int variant : {0, 1, 2, 3}) {
    const bool follow_forks = variant & 1;
    auto source = ebpf_or_skip({}, {.single_uprobes = (variant & 2) != 0});
    if (!source) return;
    auto run = run_counted(*source, {kTracepoints, "park=1000,ready=999,poll_exit=17,of_the_future=5"}, follow_forks);
    REQUIRE(run);
    CHECK(truth_of(run->output, "park").hits == 1000);
    CHECK(truth_of(run->output, "park").unheard == 0);
    CHECK(count_of(run->counts, Tp::park) == 1000);
    CHECK(count_of(run->counts, Tp::ready) == 999);
    CHECK(count_of(run->counts, Tp::poll_exit) == 17);
    CHECK(run->counts.lost == 0);
    // The program has no such probe: unknown, not 0.
    CHECK_FALSE(count_of(run->counts, Tp::rearm));
  }
}

TEST_CASE("semaphores are raised while we listen, and only then") {
  const bool single_uprobes = GENERATE(false, true);
  auto source = ebpf_or_skip({}, {.single_uprobes = single_uprobes});
  if (!source) return;
  Prey child({kTracepoints, "park=3", "await", "park=40,ready=7", "await", "park=500"});
  REQUIRE(child.sleeps());
  REQUIRE(source->attach({.pid = child.pid()}));
  child.poke();
  REQUIRE(child.sleeps());
  const auto counts = source->read();
  REQUIRE(counts);
  source.reset();
  child.poke();
  const std::string output = child.rest();
  CHECK(truth_of(output, "park").hits == 40);
  CHECK(truth_of(output, "park").unheard == 503);
  CHECK(count_of(*counts, Tp::park) == 40);
  CHECK(count_of(*counts, Tp::ready) == 7);
  CHECK(count_of(*counts, Tp::poll_exit) == 0);
}

TEST_CASE("another process that runs the same program is neither counted nor made to listen") {
  const bool single_uprobes = GENERATE(false, true);
  auto source = ebpf_or_skip({}, {.single_uprobes = single_uprobes});
  if (!source) return;
  Prey target({kTracepoints, "await", "park=10"});
  Prey other({kTracepoints, "await", "park=10"});
  REQUIRE(target.sleeps());
  REQUIRE(other.sleeps());
  REQUIRE(source->attach({.pid = target.pid()}));
  other.poke();
  CHECK(truth_of(other.rest(), "park").unheard == 10);
  target.poke();
  CHECK(truth_of(target.rest(), "park").hits == 10);
  const auto counts = source->read();
  REQUIRE(counts);
  CHECK(count_of(*counts, Tp::park) == 10);
}

TEST_CASE("tracepoints are unknown when they are not asked for, and in a program that has none") {
  auto without = ebpf_or_skip({.tracepoints = false});
  if (!without) return;
  auto run = run_counted(*without, {kTracepoints, "park=10"}, false);
  REQUIRE(run);
  CHECK(truth_of(run->output, "park").unheard == 10);
  CHECK_FALSE(count_of(run->counts, Tp::park));

  auto with = ebpf_or_skip();
  REQUIRE(with);
  run = run_counted(*with, {"/bin/true"}, false);
  REQUIRE(run);
  for (const auto& tracepoint : run->counts.tracepoints) CHECK_FALSE(tracepoint);
}

}  // namespace netpoll::test
