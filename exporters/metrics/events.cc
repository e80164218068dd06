// Streams of events as families of metrics.
#include <string>

#include "exporters/events/words.h"
#include "exporters/metrics/families.h"

namespace netpoll::exporters {
namespace {

// 1, 2.5 and 5 of each decade from 1 us to 10 s. Fixed for good: series with other bounds cannot be added up.
constexpr std::uint64_t kWaitBounds[] = {
    1'000,       2'500,       5'000,         10'000,        25'000,        50'000,        100'000,    250'000,
    500'000,     1'000'000,   2'500'000,     5'000'000,     10'000'000,    25'000'000,    50'000'000, 100'000'000,
    250'000'000, 500'000'000, 1'000'000'000, 2'500'000'000, 5'000'000'000, 10'000'000'000};

void observe(MetricHistogram& histogram, const trace::Record& record, std::uint64_t ns) {
  histogram.observe(ns);
  MetricLabels labels;
  if (record.goid != 0) labels.emplace_back("goid", std::to_string(record.goid));
  if (record.fd >= 0) labels.emplace_back("fd", std::to_string(record.fd));
  labels.emplace_back("pid", std::to_string(record.pid));
  histogram.exemplars[histogram.bucket_of(ns)] = Exemplar{std::move(labels), ns};
}

// others: also the row of waits that are neither for reading nor for writing.
MetricFamily histogram_family(const char* name, const char* help, const std::array<MetricHistogram, 3>& by_mode,
                              bool others) {
  constexpr const char* kModes[] = {"read", "write", "other"};
  MetricFamily family{name, MetricType::kHistogram, MetricUnit::kSeconds, help, {}};
  for (std::size_t mode = 0; mode < by_mode.size(); ++mode) {
    if (mode == by_mode.size() - 1 && !others && by_mode.at(mode).count() == 0) continue;
    family.samples.push_back({{{"mode", kModes[mode]}}, 0, by_mode.at(mode)});
  }
  return family;
}

}  // namespace

EventFamilies::EventFamilies() {
  for (ByMode* waits : {&network_, &cpu_}) {
    for (MetricHistogram& histogram : *waits) {
      histogram = MetricHistogram::of(kWaitBounds);
      histogram.exemplars.resize(histogram.counts.size());
    }
  }
}

EventFamilies::Mode EventFamilies::mode_of(const trace::Record& record) const {
  if (record.kind == trace::RecordKind::kCall) return waits_to_write(record.name) ? Mode::kWrite : Mode::kRead;
  const auto process = parked_.find(record.pid);
  if (process == parked_.end()) return Mode::kOther;
  const auto found = process->second.find(record.goid);
  return found == process->second.end() ? Mode::kOther : found->second;
}

void EventFamilies::event(const trace::Record& record) {
  ++events_[record.name];
  if (record.kind == trace::RecordKind::kProcess && (record.name == "exit" || record.name == "exec")) {
    parked_.erase(record.pid);
  }
  if (record.kind == trace::RecordKind::kTracepoint && record.step == trace::Step::kPark && record.fd >= 0) {
    parked_[record.pid][record.goid] = arg_of(record, "mode", 0) == 0 ? Mode::kRead : Mode::kWrite;
  }
  if (record.step != trace::Step::kRun) return;
  const auto mode = static_cast<std::size_t>(mode_of(record));
  if (record.network_wait_ns) observe(network_.at(mode), record, *record.network_wait_ns);
  if (record.cpu_wait_ns) observe(cpu_.at(mode), record, *record.cpu_wait_ns);
  if (const auto process = parked_.find(record.pid); process != parked_.end()) process->second.erase(record.goid);
}

void EventFamilies::lost(const trace::Loss& loss) { lost_[loss.where] += loss.count; }

MetricFamilies EventFamilies::waits() const {
  return {
      histogram_family("netpoll_network_wait_seconds",
                       "From the moment that somebody asked for data or room until the poller reported it.", network_,
                       /*others=*/false),
      histogram_family("netpoll_cpu_wait_seconds", "From the poller's report until whoever waited went on.", cpu_,
                       /*others=*/true)};
}

MetricFamily EventFamilies::events() const {
  MetricFamily family{"netpoll_events", MetricType::kCounter, MetricUnit::kNone, "Events of the trace, by name.", {}};
  for (const auto& [name, count] : events_) family.add({{"event", std::string(name)}}, count);
  return family;
}

MetricFamily EventFamilies::losses() const {
  MetricFamily family{"netpoll_events_lost",
                      MetricType::kCounter,
                      MetricUnit::kNone,
                      "Events that the stream should contain and does not.",
                      {}};
  // Whoever cannot lose has a zero, so that an alert on the rate has something to look at.
  auto lost = lost_;
  lost.try_emplace("kernel", 0);
  for (const auto& [where, count] : lost) family.add({{"where", std::string(where)}}, count);
  return family;
}

}  // namespace netpoll::exporters
