// Self-test of a gate: whether each limit can fail at all.
#pragma once

#include <vector>

#include "cli/compare/comparison.h"

namespace netpoll::cli {

// A limit, judged on the base against itself and against a base whose figure was moved just past the limit.
struct Turn {
  Limit limit;
  double base = 0;       // the figure as it is
  double perturbed = 0;  // as it was moved
  Checked::Outcome before = Checked::Outcome::kOk;
  Checked::Outcome after = Checked::Outcome::kOk;

  bool turned() const { return before == Checked::Outcome::kOk && after == Checked::Outcome::kRegression; }
};

// One turn for each limit. A limit that base itself passes, or that no value of the figure can pass, does not turn.
// Fails as compare() does.
Result<std::vector<Turn>> self_test(const ResultSet& base, const std::vector<Limit>& limits);

}  // namespace netpoll::cli
