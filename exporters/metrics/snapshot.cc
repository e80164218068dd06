// Snapshots of goroutines as families of metrics.
#include <algorithm>
#include <map>
#include <string>

#include "exporters/metrics/families.h"

namespace netpoll::exporters {
namespace {

// Runtimes have some forty reasons to wait. Should one have many more, the rest is one row.
constexpr std::size_t kMaxReasons = 64;

struct Sums {
  std::map<std::string, std::uint64_t> status;
  std::map<std::string, std::uint64_t> reason;
  std::map<std::string, std::uint64_t> io_waits = {{"read", 0}, {"write", 0}};
  std::uint64_t oldest_ns = 0;
  bool oldest_known = false;
  std::uint64_t without_deadline = 0;
  std::uint64_t with_queued_data = 0;
  std::uint64_t inconsistent = 0;
  std::uint64_t took_ns = 0;
};

void add_goroutine(Sums& sums, const trace::Goroutine& g) {
  ++sums.status[g.status];
  if (!g.wait_reason.empty()) {
    const bool room = sums.reason.size() < kMaxReasons || sums.reason.contains(g.wait_reason);
    ++sums.reason[room ? g.wait_reason : "other"];
  }
  if (!g.io_wait) return;
  const bool reads = g.mode == trace::IoMode::kRead;
  if (g.mode) ++sums.io_waits[reads ? "read" : "write"];
  if (!g.deadline_in_ns) ++sums.without_deadline;
  if (reads && g.recv_queue_bytes.value_or(0) > 0 && !g.becoming_ready) ++sums.with_queued_data;
  if (const auto waited = g.wait_ns ? g.wait_ns : g.wait_at_least_ns; waited && *waited >= 0) {
    sums.oldest_known = true;
    sums.oldest_ns = std::max(sums.oldest_ns, static_cast<std::uint64_t>(*waited));
  }
}

MetricFamily by(const char* name, const char* help, const char* label,
                const std::map<std::string, std::uint64_t>& counts) {
  MetricFamily family{name, MetricType::kGauge, MetricUnit::kNone, help, {}};
  for (const auto& [value, count] : counts) family.add({{label, value}}, count);
  return family;
}

MetricFamily gauge(const char* name, const char* help, std::uint64_t value, MetricUnit unit = MetricUnit::kNone) {
  return MetricFamily{name, MetricType::kGauge, unit, help, {}}.add({}, value);
}

}  // namespace

MetricFamilies snapshot_families(std::span<const trace::GoroutineSnapshot> snapshots) {
  Sums sums;
  // What every runtime has; others come as they are seen.
  for (const char* status : {"runnable", "running", "syscall", "waiting"}) sums.status[status] = 0;
  sums.reason["IO wait"] = 0;
  for (const trace::GoroutineSnapshot& snapshot : snapshots) {
    for (const trace::Goroutine& g : snapshot.goroutines) add_goroutine(sums, g);
    sums.inconsistent += snapshot.inconsistent;
    sums.took_ns += static_cast<std::uint64_t>(std::max<std::int64_t>(snapshot.took_ns, 0));
  }
  MetricFamilies out;
  out.push_back(by("netpoll_goroutines", "Goroutines by status.", "status", sums.status));
  out.push_back(by("netpoll_goroutines_waiting", "Goroutines that wait, by reason.", "reason", sums.reason));
  out.push_back(by("netpoll_io_waits", "Goroutines that wait for a descriptor.", "mode", sums.io_waits));
  out.push_back(gauge("netpoll_io_waits_without_deadline", "Waits for a descriptor that no deadline bounds.",
                      sums.without_deadline));
  out.push_back(gauge("netpoll_io_readers_with_queued_data",
                      "Goroutines that wait for data which the kernel holds already.", sums.with_queued_data));
  if (sums.oldest_known) {
    out.push_back(gauge("netpoll_io_wait_oldest_seconds",
                        "The longest wait for a descriptor; of Go at least this long.", sums.oldest_ns,
                        MetricUnit::kSeconds));
  }
  out.push_back(
      gauge("netpoll_snapshot_inconsistent", "Goroutines that kept moving while they were read.", sums.inconsistent));
  out.push_back(gauge("netpoll_snapshot_duration_seconds", "How long reading the goroutines took.", sums.took_ns,
                      MetricUnit::kSeconds));
  return out;
}

}  // namespace netpoll::exporters
