// The rank test and the confidence interval of the median.
#include "cli/compare/statistics.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

namespace netpoll::cli {
namespace {

constexpr std::size_t kExactLimit = 24;

struct Ranked {
  double value;
  bool of_base;
};

// P(|Z| >= z) of the standard normal distribution.
double two_sided(double z) { return std::erfc(z / std::numbers::sqrt2); }

// The share of all ways to choose `chosen` of the ranks whose sum is at least as far from its mean as sum is. Ranks are
// doubled, since ties have halves.
double exact_p(const std::vector<std::size_t>& doubled, std::size_t chosen, std::size_t sum) {
  std::size_t total = 0;
  for (const std::size_t rank : doubled) total += rank;
  // ways[k][s]: in how many ways k of the ranks looked at so far add up to s.
  std::vector<std::vector<double>> ways(chosen + 1, std::vector<double>(total + 1, 0));
  ways[0][0] = 1;
  for (const std::size_t rank : doubled) {
    for (std::size_t k = chosen; k > 0; --k) {
      for (std::size_t s = total; s >= rank; --s) ways[k][s] += ways[k - 1][s - rank];
    }
  }
  const double mean = static_cast<double>(total) * static_cast<double>(chosen) / static_cast<double>(doubled.size());
  const double distance = std::abs(static_cast<double>(sum) - mean) - 1e-9;
  double all = 0;
  double extreme = 0;
  for (std::size_t s = 0; s <= total; ++s) {
    all += ways[chosen][s];
    if (std::abs(static_cast<double>(s) - mean) >= distance) extreme += ways[chosen][s];
  }
  return extreme / all;
}

}  // namespace

RankTest rank_test(std::span<const double> base, std::span<const double> head) {
  std::vector<Ranked> all;
  all.reserve(base.size() + head.size());
  for (const double value : base) all.push_back({value, true});
  for (const double value : head) all.push_back({value, false});
  const auto below = [](const Ranked& a, const Ranked& b) { return a.value < b.value; };
  const auto middle = all.begin() + static_cast<std::ptrdiff_t>(base.size());
  std::inplace_merge(all.begin(), middle, all.end(), below);

  std::vector<std::size_t> doubled(all.size());
  double base_sum = 0;  // of doubled ranks
  double ties = 0;
  for (std::size_t i = 0; i < all.size();) {
    std::size_t end = i;
    while (end < all.size() && all[end].value == all[i].value) ++end;
    const auto count = static_cast<double>(end - i);
    ties += count * count * count - count;
    for (std::size_t k = i; k < end; ++k) {
      doubled[k] = i + end + 1;  // twice the mean of the ranks i+1 .. end
      if (all[k].of_base) base_sum += static_cast<double>(doubled[k]);
    }
    i = end;
  }
  const auto n = static_cast<double>(base.size());
  const auto m = static_cast<double>(head.size());
  const double u = base_sum / 2 - n * (n + 1) / 2;  // pairs in which the base is above

  RankTest result;
  result.effect = 1 - u / (n * m);
  if (all.size() <= kExactLimit) {
    result.p = exact_p(doubled, base.size(), static_cast<std::size_t>(base_sum));
    return result;
  }
  const double both = n + m;
  const double variance = n * m / 12 * (both + 1 - ties / (both * (both - 1)));
  if (variance > 0) {
    result.p = std::min(1.0, two_sided(std::max(0.0, std::abs(u - n * m / 2) - 0.5) / std::sqrt(variance)));
  }
  return result;
}

std::optional<Bounds> median_bounds(std::span<const double> ordered) {
  const std::size_t n = ordered.size();
  if (n < 6) return std::nullopt;
  // The k-th smallest and the k-th largest enclose the median unless fewer than k values lie on one side of it, which
  // is binomial with one half. The largest k for which that happens in 2.5 % of cases at most.
  const double log_half = static_cast<double>(n) * std::log(0.5);
  // What lies twenty standard deviations from the middle adds nothing that a double would hold.
  const auto reach = static_cast<std::size_t>(10 * std::sqrt(static_cast<double>(n)));
  double below = 0;
  std::size_t k = n / 2 > reach ? n / 2 - reach : 0;
  for (; k < n / 2; ++k) {
    const auto i = static_cast<double>(k);
    below += std::exp(std::lgamma(static_cast<double>(n) + 1) - std::lgamma(i + 1) -
                      std::lgamma(static_cast<double>(n) - i + 1) + log_half);
    if (below > kAlpha / 2) break;
  }
  if (k == 0) return std::nullopt;
  return Bounds{ordered[k - 1], ordered[n - k]};
}

}  // namespace netpoll::cli
