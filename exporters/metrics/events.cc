// Streams of events as families of metrics.
#include <string>

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

MetricFamily histogram_family(const char* name, const char* help, const MetricHistogram& histogram) {
  MetricFamily family{name, MetricType::kHistogram, MetricUnit::kSeconds, help, {}};
  family.samples.push_back({{}, 0, histogram});
  return family;
}

}  // namespace

EventFamilies::EventFamilies() : network_(MetricHistogram::of(kWaitBounds)), cpu_(network_) {
  network_.exemplars.resize(network_.counts.size());
  cpu_.exemplars.resize(cpu_.counts.size());
}

void EventFamilies::event(const trace::Record& record) {
  ++events_[record.name];
  if (record.step != trace::Step::kRun) return;
  if (record.network_wait_ns) observe(network_, record, *record.network_wait_ns);
  if (record.cpu_wait_ns) observe(cpu_, record, *record.cpu_wait_ns);
}

void EventFamilies::lost(const trace::Loss& loss) { lost_[loss.where] += loss.count; }

MetricFamilies EventFamilies::waits() const {
  return {
      histogram_family("netpoll_network_wait_seconds",
                       "From the moment that somebody asked for data or room until the poller reported it.", network_),
      histogram_family("netpoll_cpu_wait_seconds", "From the poller's report until whoever waited went on.", cpu_)};
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
