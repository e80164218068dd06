// CounterLedger: one running total of tracepoint counts out of Runtimes that come and go.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "probes/goroutines/libruntime/runtime_view.h"

namespace netpoll::probes {

// The counters of one Runtime at one look.
struct RuntimeCounters {
  std::uint64_t runtime = 0;  // address of its DebugRuntime
  TracepointCounts counts{};
};

// A Runtime's counters vanish with it. The ledger keeps what it saw of each last, so the total never falls. What a
// Runtime counted after the last look and before its end is not in it. Not thread-safe.
class CounterLedger {
 public:
  // Takes note of all Runtimes that are alive now. One that is missing has ended; one whose counts fell is another that
  // was built in the same place.
  void look(const std::vector<RuntimeCounters>& alive);
  TracepointCounts total() const;

 private:
  std::map<std::uint64_t, TracepointCounts> alive_;
  TracepointCounts ended_{};
};

}  // namespace netpoll::probes
