// Counts of Runtimes that come and go.
#include "probes/self/counter_ledger.h"

#include "tests/support/catch.h"

using namespace netpoll::probes;

namespace {
RuntimeCounters counters(std::uint64_t runtime, std::uint64_t first, std::uint64_t second) {
  RuntimeCounters r{.runtime = runtime, .counts = {}};
  r.counts[0] = first;
  r.counts[1] = second;
  return r;
}
}  // namespace

TEST_CASE("the total is the sum of all runtimes that are alive") {
  CounterLedger ledger;
  ledger.look({counters(1, 10, 1), counters(2, 5, 2)});
  CHECK(ledger.total()[0] == 15);
  CHECK(ledger.total()[1] == 3);
}

TEST_CASE("a runtime that ended keeps its counts") {
  CounterLedger ledger;
  ledger.look({counters(1, 10, 0), counters(2, 5, 0)});
  ledger.look({counters(2, 6, 0)});
  CHECK(ledger.total()[0] == 16);
  ledger.look({});
  CHECK(ledger.total()[0] == 16);
}

TEST_CASE("a runtime built where another was is another") {
  CounterLedger ledger;
  ledger.look({counters(1, 10, 4)});
  ledger.look({counters(1, 11, 3)});
  CHECK(ledger.total()[0] == 21);
  CHECK(ledger.total()[1] == 7);
}

TEST_CASE("growing counts are counted once") {
  CounterLedger ledger;
  for (std::uint64_t n = 0; n <= 10; ++n) ledger.look({counters(1, n, n)});
  CHECK(ledger.total()[0] == 10);
}
