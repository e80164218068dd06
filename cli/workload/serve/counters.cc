// Sums the tracepoint counters of the server's own runtime.
#include "cli/workload/serve/counters.h"

#include "libruntime/sched/scheduler.h"
#include "netpoll/trace/event.h"

namespace netpoll::workload {

// The one look behind the public API: what another process reads through the debug ABI lies in this one.
std::map<std::string, std::uint64_t> tracepoint_counts(const Runtime& runtime) {
  const sched::Scheduler& scheduler = runtime.scheduler();
  const std::size_t blocks = scheduler.ps().size() + 1;
  std::map<std::string, std::uint64_t> counts;
  for (std::size_t tp = 0; tp < trace::kTpCount; ++tp) {
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < blocks; ++i) {
      sum += scheduler.counter_blocks()[i].count[tp].load(std::memory_order_relaxed);
    }
    counts[std::string(trace::tracepoints()[tp].name)] = sum;
  }
  return counts;
}

}  // namespace netpoll::workload
