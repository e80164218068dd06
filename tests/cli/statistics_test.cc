// The rank test and the interval of the median against values that R computes.
#include "cli/compare/statistics.h"

#include <vector>

#include "tests/support/catch.h"

namespace netpoll::cli {

// The values of R: wilcox.test(x, y, exact = TRUE) without ties, coin::wilcox_test(distribution = "exact") with them.
TEST_CASE("small samples have exact p values") {
  const std::vector<double> low{1, 2, 3, 4};
  const std::vector<double> high{5, 6, 7, 8};
  CHECK(rank_test(low, high).p == Approx(2.0 / 70));
  CHECK(rank_test(low, high).effect == 1);
  CHECK(rank_test(high, low).p == Approx(2.0 / 70));
  CHECK(rank_test(high, low).effect == 0);
  const std::vector<double> mixed_a{1, 4, 5, 8};
  const std::vector<double> mixed_b{2, 3, 6, 7};
  CHECK(rank_test(mixed_a, mixed_b).p == Approx(1));
  CHECK(rank_test(mixed_a, mixed_b).effect == Approx(0.5));
}

TEST_CASE("equal values are no evidence") {
  const std::vector<double> same(6, 7.0);
  CHECK(rank_test(same, same).p == Approx(1));
  CHECK(rank_test(same, same).effect == Approx(0.5));
  const std::vector<double> many(1000, 7.0);
  CHECK(rank_test(many, many).p == Approx(1));
}

TEST_CASE("large samples use the normal distribution") {
  std::vector<double> base;
  std::vector<double> head;
  for (int i = 0; i < 10'000; ++i) {
    base.push_back(i / 10);
    head.push_back(i / 10 + 100);
  }
  CHECK(rank_test(base, head).p < 1e-9);
  CHECK(rank_test(base, base).p == Approx(1));
  // 13 and 13 in turns: near the middle of the distribution.
  std::vector<double> odd;
  std::vector<double> even;
  for (int i = 0; i < 13; ++i) {
    odd.push_back(2 * i + 1);
    even.push_back(2 * i);
  }
  CHECK(rank_test(even, odd).p > 0.7);
}

// Order statistics of the binomial distribution: Conover, Practical Nonparametric Statistics, table A3.
TEST_CASE("the median of n values lies between two of them") {
  const std::vector<double> five{1, 2, 3, 4, 5};
  CHECK_FALSE(median_bounds(five));
  const std::vector<double> six{1, 2, 3, 4, 5, 6};
  REQUIRE(median_bounds(six));
  CHECK(median_bounds(six)->low == 1);
  CHECK(median_bounds(six)->high == 6);
  std::vector<double> twenty;
  for (int i = 1; i <= 20; ++i) twenty.push_back(i);
  CHECK(median_bounds(twenty)->low == 6);
  CHECK(median_bounds(twenty)->high == 15);
}

}  // namespace netpoll::cli
