// Buckets and quantiles of the histogram.
#include "cli/workload/histogram.h"

#include <algorithm>
#include <cmath>

namespace netpoll::workload {

std::uint64_t Histogram::upper_bound(std::size_t index) {
  if (index < 2 * kSplit) return index;
  const std::size_t shift = index / kSplit - 1;
  const std::uint64_t mantissa = index - shift * kSplit;  // kSplit .. 2 * kSplit - 1
  return ((mantissa + 1) << shift) - 1;                   // the last bucket wraps to UINT64_MAX, as it should
}

void Histogram::clear() { *this = Histogram(); }

std::int64_t Histogram::quantile(double q) const {
  if (count_ == 0) return 0;
  const double wanted = std::ceil(std::clamp(q, 0.0, 1.0) * static_cast<double>(count_));
  const std::uint64_t rank = std::clamp<std::uint64_t>(static_cast<std::uint64_t>(wanted), 1, count_);
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < kBuckets; ++i) {
    seen += counts_[i];
    if (seen >= rank) return static_cast<std::int64_t>(std::min(upper_bound(i), max_));
  }
  return max();
}

Latency Histogram::latency() const {
  Latency latency;
  latency.count = count_;
  latency.min = min();
  latency.p50 = quantile(0.50);
  latency.p90 = quantile(0.90);
  latency.p99 = quantile(0.99);
  latency.p999 = quantile(0.999);
  latency.max = max();
  latency.mean = mean();
  for (std::size_t i = 0; i < kBuckets; ++i) {
    if (counts_[i] > 0) latency.buckets.emplace_back(static_cast<std::int64_t>(upper_bound(i)), counts_[i]);
  }
  return latency;
}

}  // namespace netpoll::workload
