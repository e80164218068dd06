// Families of metrics as Prometheus knows them, and the two texts that it reads: 0.0.4 and OpenMetrics 1.0.
//
// A writer of our own: prometheus-cpp has the first text alone, no place for exemplars, and doubles where we have
// integers; what it would spare is less than what would have to stand beside it.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace netpoll::exporters {

using MetricLabels = std::vector<std::pair<std::string, std::string>>;

// kInfo is a gauge of 1 whose labels are the message.
enum class MetricType : std::uint8_t { kCounter, kGauge, kHistogram, kInfo };

// What values count. Times are held in nanoseconds and written in seconds, without a rounding on the way.
enum class MetricUnit : std::uint8_t { kNone, kSeconds, kBytes };

// One observation, shown beside the bucket that it is in. At most 128 characters of labels, names and values together.
struct Exemplar {
  MetricLabels labels;
  std::uint64_t value = 0;
};

struct MetricHistogram {
  std::vector<std::uint64_t> bounds;  // ascending, inclusive, in the unit of the family
  std::vector<std::uint64_t> counts;  // of each bucket alone; one more than bounds, for what is beyond
  std::uint64_t sum = 0;
  std::vector<std::optional<Exemplar>> exemplars;  // of each bucket; or empty

  static MetricHistogram of(std::span<const std::uint64_t> bounds);
  void observe(std::uint64_t value, std::uint64_t times = 1);
  std::size_t bucket_of(std::uint64_t value) const;
  std::uint64_t count() const;
};

struct MetricSample {
  MetricLabels labels;
  std::uint64_t value = 0;
  std::optional<MetricHistogram> histogram;  // instead of value, where the family is of histograms
};

struct MetricFamily {
  std::string name;  // "netpoll_syscalls": without _total or _info; a unit is its last word
  MetricType type = MetricType::kGauge;
  MetricUnit unit = MetricUnit::kNone;
  std::string help;  // one sentence
  std::vector<MetricSample> samples;

  MetricFamily& add(MetricLabels labels, std::uint64_t value) {
    samples.push_back({std::move(labels), value, std::nullopt});
    return *this;
  }
};

// Label values may be anybody's text: they come out as printable() has them.
std::string prometheus_text(std::span<const MetricFamily> families);
std::string openmetrics_text(std::span<const MetricFamily> families);

// The text that an HTTP client asked for by its Accept header, and its Content-Type.
struct MetricsPage {
  std::string text;
  std::string type;
};
MetricsPage metrics_page(std::span<const MetricFamily> families, std::string_view accept);

// The name that samples of a family have: with _total or _info where its type asks for it.
std::string sample_name(const MetricFamily& family);

}  // namespace netpoll::exporters
