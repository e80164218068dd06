// Carries the totals of Runtimes that are gone.
#include "probes/self/counter_ledger.h"

#include <utility>

namespace netpoll::probes {
namespace {

void add(TracepointCounts& sum, const TracepointCounts& counts) {
  for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += counts[i];
}

bool fell(const TracepointCounts& before, const TracepointCounts& now) {
  for (std::size_t i = 0; i < now.size(); ++i) {
    if (now[i] < before[i]) return true;
  }
  return false;
}

}  // namespace

void CounterLedger::look(const std::vector<RuntimeCounters>& alive) {
  std::map<std::uint64_t, TracepointCounts> now;
  for (const RuntimeCounters& r : alive) now[r.runtime] = r.counts;
  for (const auto& [runtime, before] : alive_) {
    const auto same = now.find(runtime);
    if (same == now.end() || fell(before, same->second)) add(ended_, before);
  }
  alive_ = std::move(now);
}

TracepointCounts CounterLedger::total() const {
  TracepointCounts sum = ended_;
  for (const auto& [runtime, counts] : alive_) add(sum, counts);
  return sum;
}

}  // namespace netpoll::probes
