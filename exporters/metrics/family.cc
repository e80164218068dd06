// Writes families of metrics down.
#include "exporters/metrics/family.h"

#include <algorithm>
#include <numeric>

#include "exporters/text.h"

namespace netpoll::exporters {
namespace {

enum class Dialect : std::uint8_t { kPrometheus, kOpenMetrics };

constexpr std::uint64_t kNsPerSecond = 1'000'000'000;

// Exactly, without trailing zeros: "0.0000025".
std::string seconds(std::uint64_t ns) {
  std::string text = std::to_string(ns / kNsPerSecond);
  const std::string fraction = std::to_string(kNsPerSecond + ns % kNsPerSecond).substr(1);
  const auto last = fraction.find_last_not_of('0');
  if (last != std::string::npos) text.append(".").append(fraction, 0, last + 1);
  return text;
}

std::string number(MetricUnit unit, std::uint64_t value) {
  return unit == MetricUnit::kSeconds ? seconds(value) : std::to_string(value);
}

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : printable(text)) {
    if (c == '\\' || c == '"') out += '\\';
    out += c;
  }
  return out;
}

// In braces; without any, nothing.
std::string label_text(const MetricLabels& labels, const std::string& le = {}) {
  std::string out;
  for (const auto& [name, value] : labels) {
    out.append(out.empty() ? "{" : ",").append(name).append("=\"").append(escaped(value)) += '"';
  }
  if (!le.empty()) out.append(out.empty() ? "{" : ",").append("le=\"").append(le) += '"';
  return out.empty() ? out : out + "}";
}

std::string_view type_name(MetricType type, Dialect dialect) {
  switch (type) {
    case MetricType::kCounter:
      return "counter";
    case MetricType::kGauge:
      return "gauge";
    case MetricType::kHistogram:
      return "histogram";
    case MetricType::kInfo:
      return dialect == Dialect::kOpenMetrics ? "info" : "gauge";
  }
  return "unknown";
}

void write_histogram(std::string& out, const MetricFamily& family, const MetricSample& sample, Dialect dialect) {
  const MetricHistogram& histogram = *sample.histogram;
  std::uint64_t below = 0;
  for (std::size_t i = 0; i < histogram.counts.size(); ++i) {
    below += histogram.counts[i];
    const bool last = i == histogram.bounds.size();
    const std::string le = last ? "+Inf" : number(family.unit, histogram.bounds[i]);
    out.append(family.name).append("_bucket").append(label_text(sample.labels, le));
    out.append(" ").append(std::to_string(below));
    if (dialect == Dialect::kOpenMetrics && i < histogram.exemplars.size() && histogram.exemplars[i]) {
      const Exemplar& exemplar = *histogram.exemplars[i];
      out.append(" # ").append(exemplar.labels.empty() ? "{}" : label_text(exemplar.labels));
      out.append(" ").append(number(family.unit, exemplar.value));
    }
    out += '\n';
  }
  const std::string labels = label_text(sample.labels);
  out.append(family.name).append("_sum").append(labels).append(" ");
  out.append(number(family.unit, histogram.sum)) += '\n';
  out.append(family.name).append("_count").append(labels).append(" ").append(std::to_string(below)) += '\n';
}

void write_family(std::string& out, const MetricFamily& family, Dialect dialect) {
  // OpenMetrics calls a family by its name, the older text by that of its samples.
  const std::string samples = sample_name(family);
  const std::string& name = dialect == Dialect::kOpenMetrics ? family.name : samples;
  out.append("# HELP ").append(name).append(" ").append(family.help) += '\n';
  out.append("# TYPE ").append(name).append(" ").append(type_name(family.type, dialect)) += '\n';
  if (dialect == Dialect::kOpenMetrics && family.unit != MetricUnit::kNone) {
    out.append("# UNIT ").append(name).append(family.unit == MetricUnit::kBytes ? " bytes\n" : " seconds\n");
  }
  for (const MetricSample& sample : family.samples) {
    if (sample.histogram) {
      write_histogram(out, family, sample, dialect);
    } else {
      out.append(samples).append(label_text(sample.labels)).append(" ");
      out.append(number(family.unit, sample.value)) += '\n';
    }
  }
}

}  // namespace

MetricHistogram MetricHistogram::of(std::span<const std::uint64_t> bounds) {
  MetricHistogram histogram;
  histogram.bounds.assign(bounds.begin(), bounds.end());
  histogram.counts.resize(bounds.size() + 1);
  return histogram;
}

std::size_t MetricHistogram::bucket_of(std::uint64_t value) const {
  return static_cast<std::size_t>(std::lower_bound(bounds.begin(), bounds.end(), value) - bounds.begin());
}

void MetricHistogram::observe(std::uint64_t value, std::uint64_t times) {
  counts[bucket_of(value)] += times;
  sum += value * times;
}

std::uint64_t MetricHistogram::count() const { return std::accumulate(counts.begin(), counts.end(), std::uint64_t{0}); }

std::string sample_name(const MetricFamily& family) {
  if (family.type == MetricType::kCounter) return family.name + "_total";
  if (family.type == MetricType::kInfo) return family.name + "_info";
  return family.name;
}

std::string prometheus_text(std::span<const MetricFamily> families) {
  std::string out;
  for (const MetricFamily& family : families) write_family(out, family, Dialect::kPrometheus);
  return out;
}

std::string openmetrics_text(std::span<const MetricFamily> families) {
  std::string out;
  for (const MetricFamily& family : families) write_family(out, family, Dialect::kOpenMetrics);
  return out + "# EOF\n";
}

MetricsPage metrics_page(std::span<const MetricFamily> families, std::string_view accept) {
  // Prometheus lists it where it can read it, whatever weights it gives.
  if (accept.find("application/openmetrics-text") != std::string_view::npos) {
    return {openmetrics_text(families), "application/openmetrics-text; version=1.0.0; charset=utf-8"};
  }
  return {prometheus_text(families), "text/plain; version=0.0.4; charset=utf-8"};
}

}  // namespace netpoll::exporters
