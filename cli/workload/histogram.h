// histogram.h: a log-linear histogram of non-negative 64-bit values.
//
// Values below 256 have a bucket each; above, every power of two is split into 128 buckets, so that a bucket is never
// wider than 1/128 (0.8 %) of its values. Fixed memory (58 KiB), no allocation after construction, adding is a shift
// and an increment. The idea is HdrHistogram's; only what latencies need is here.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "cli/workload/protocol.h"

namespace netpoll::workload {

// Not thread-safe.
class Histogram {
 public:
  Histogram() : counts_(kBuckets, 0) {}

  // Negative values (a clock that stepped) count as 0.
  void add(std::int64_t value) {
    const std::uint64_t v = value < 0 ? 0 : static_cast<std::uint64_t>(value);
    ++counts_[index_of(v)];
    ++count_;
    sum_ += v;
    if (v > max_) max_ = v;
    if (v < min_) min_ = v;
  }
  void clear();

  std::uint64_t count() const { return count_; }
  std::int64_t min() const { return count_ == 0 ? 0 : static_cast<std::int64_t>(min_); }
  std::int64_t max() const { return static_cast<std::int64_t>(max_); }
  std::int64_t mean() const { return count_ == 0 ? 0 : static_cast<std::int64_t>(sum_ / count_); }
  // The smallest bucket bound that at least the fraction q of all values does not exceed, and never more than max().
  // At most 1/128 above the exact quantile. 0 when empty.
  std::int64_t quantile(double q) const;
  Latency latency() const;

  static std::size_t index_of(std::uint64_t v) {
    if (v < 2 * kSplit) return v;
    const unsigned shift = static_cast<unsigned>(std::bit_width(v)) - kSplitBits - 1;
    return shift * kSplit + (v >> shift);
  }
  // Largest value of bucket `index`.
  static std::uint64_t upper_bound(std::size_t index);

 private:
  static constexpr unsigned kSplitBits = 7;
  static constexpr std::size_t kSplit = std::size_t{1} << kSplitBits;
  static constexpr std::size_t kBuckets = (64 - kSplitBits + 1) * kSplit;

  std::vector<std::uint64_t> counts_;
  std::uint64_t count_ = 0;
  unsigned __int128 sum_ = 0;
  std::uint64_t min_ = UINT64_MAX;
  std::uint64_t max_ = 0;
};

}  // namespace netpoll::workload
