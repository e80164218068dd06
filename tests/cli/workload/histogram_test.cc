// The histogram of latencies against exact quantiles.
#include "cli/workload/histogram.h"

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "tests/support/catch.h"

using netpoll::workload::Histogram;

namespace {
// The exact quantile: the smallest value that at least q of all do not exceed.
std::int64_t exact(const std::vector<std::int64_t>& sorted, double q) {
  const auto rank = static_cast<std::size_t>(std::ceil(q * static_cast<double>(sorted.size())));
  return sorted[std::max<std::size_t>(rank, 1) - 1];
}
}  // namespace

TEST_CASE("an empty histogram has no values", "[histogram]") {
  const Histogram h;
  REQUIRE(h.count() == 0);
  REQUIRE(h.min() == 0);
  REQUIRE(h.max() == 0);
  REQUIRE(h.mean() == 0);
  REQUIRE(h.quantile(0.99) == 0);
  REQUIRE(h.latency().buckets.empty());
}

TEST_CASE("one value is every quantile of itself", "[histogram]") {
  for (const std::int64_t value : {0L, 1L, 127L, 128L, 255L, 256L, 1'000'003L, INT64_MAX}) {
    Histogram h;
    h.add(value);
    REQUIRE(h.min() == value);
    REQUIRE(h.max() == value);
    REQUIRE(h.mean() == value);
    REQUIRE(h.quantile(0) == value);
    REQUIRE(h.quantile(0.5) == value);
    REQUIRE(h.quantile(1) == value);
  }
}

TEST_CASE("buckets cover all values without gap or overlap", "[histogram]") {
  REQUIRE(Histogram::index_of(0) == 0);
  std::size_t last = 0;
  // Around every power of two, where the scale changes.
  for (unsigned bit = 1; bit < 64; ++bit) {
    for (std::int64_t delta = -2; delta <= 2; ++delta) {
      const std::uint64_t v = (std::uint64_t{1} << bit) + static_cast<std::uint64_t>(delta);
      if (bit == 1 && delta == -2) continue;
      const std::size_t index = Histogram::index_of(v);
      REQUIRE(Histogram::upper_bound(index) >= v);
      if (index > 0) REQUIRE(Histogram::upper_bound(index - 1) < v);
      if (delta == 2) {
        REQUIRE(index >= last);
        last = index;
      }
    }
  }
  REQUIRE(Histogram::upper_bound(Histogram::index_of(UINT64_MAX)) == UINT64_MAX);
}

TEST_CASE("small values are exact", "[histogram]") {
  Histogram h;
  for (std::int64_t v = 1; v <= 200; ++v) h.add(v);
  REQUIRE(h.quantile(0.5) == 100);
  REQUIRE(h.quantile(0.99) == 198);
  REQUIRE(h.mean() == 100);
}

TEST_CASE("quantiles are at most 1 % above the exact ones", "[histogram]") {
  std::mt19937_64 random(20240229);
  std::lognormal_distribution<double> distribution(11, 1.7);  // ns: median 60 µs, a long tail
  std::vector<std::int64_t> values;
  Histogram h;
  for (int i = 0; i < 200'000; ++i) {
    values.push_back(static_cast<std::int64_t>(distribution(random)));
    h.add(values.back());
  }
  std::sort(values.begin(), values.end());
  for (const double q : {0.0, 0.1, 0.5, 0.9, 0.99, 0.999, 0.9999, 1.0}) {
    const std::int64_t want = exact(values, q);
    REQUIRE(h.quantile(q) >= want);
    REQUIRE(static_cast<double>(h.quantile(q)) <= static_cast<double>(want) * 1.01);
  }
  REQUIRE(h.max() == values.back());
  REQUIRE(h.min() == values.front());
}

TEST_CASE("a value below zero counts as zero", "[histogram]") {
  Histogram h;
  h.add(-5);
  REQUIRE(h.count() == 1);
  REQUIRE(h.max() == 0);
}

TEST_CASE("buckets of the result add up to the count", "[histogram]") {
  Histogram h;
  for (std::int64_t v = 0; v < 5000; ++v) h.add(v * v);
  const auto latency = h.latency();
  std::uint64_t sum = 0;
  std::int64_t last = -1;
  for (const auto& [bound, count] : latency.buckets) {
    REQUIRE(bound > last);
    last = bound;
    sum += count;
  }
  REQUIRE(sum == 5000);
  REQUIRE(latency.count == 5000);
  REQUIRE(latency.p50 <= latency.p90);
  REQUIRE(latency.p999 <= latency.max);
}

TEST_CASE("clear forgets everything", "[histogram]") {
  Histogram h;
  h.add(17);
  h.clear();
  REQUIRE(h.count() == 0);
  h.add(3);
  REQUIRE(h.min() == 3);
  REQUIRE(h.max() == 3);
}
