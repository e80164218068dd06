// Statistics of repeated measurements: what can be said of two samples without assuming a distribution.
#pragma once

#include <optional>
#include <span>

namespace netpoll::cli {

// Below this p a difference is taken for real; benchstat's choice.
constexpr double kAlpha = 0.05;
// Fewer samples a side cannot reach kAlpha, whatever they are: of 3 and 3 the most extreme order has p = 0.1.
constexpr std::size_t kLeastSamples = 4;

struct RankTest {
  double p = 1;         // two-sided: how probable a difference at least as large is if both come from one distribution
  double effect = 0.5;  // the probability that a value of head is above one of base, ties counted half
};

// The rank-sum test of Mann, Whitney and Wilcoxon. Exact, also with ties, for up to 24 values in all; beyond that the
// normal approximation with corrections for ties and continuity. Both ascend, and neither may be empty.
RankTest rank_test(std::span<const double> base, std::span<const double> head);

struct Bounds {
  double low = 0;
  double high = 0;
};

// Between which values the median lies with a confidence of 95 %, from the order statistics (binomial distribution).
// Nothing for fewer than 6 values, whose whole range is not enough. ordered ascends.
std::optional<Bounds> median_bounds(std::span<const double> ordered);

}  // namespace netpoll::cli
