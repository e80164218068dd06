// Perturbs a side so that a limit must be passed, and has it judged as any other.
#include "cli/compare/self_test.h"

#include <algorithm>
#include <cmath>

namespace netpoll::cli {
namespace {

// Values of the figure that pass the limit, if any does: a little beyond each condition on either side, then farther,
// since where values scatter a small move is no proof.
std::vector<double> candidates(const Limit& limit, double base) {
  std::vector<double> values;
  for (const Condition& condition : limit.all) {
    double edge = condition.limit;
    if (condition.against == Condition::Against::kDifference) edge = base + condition.limit;
    if (condition.against == Condition::Against::kPercent) edge = base + std::abs(base) * condition.limit / 100;
    values.push_back(edge);
    for (const double scale : {edge == 0 ? 1.0 : std::abs(edge), std::abs(base)}) {
      for (const double step : {0.01, 0.1, 0.5, 1.0, 10.0}) {
        values.push_back(edge + scale * step);
        values.push_back(edge - scale * step);
      }
    }
  }
  return values;
}

// The set with the figure at path moved so that its median is value. All runs move alike, as a real change would.
ResultSet moved(ResultSet set, const std::string& path, double from, double to) {
  const auto known = known_figure(set, path);
  auto it = std::find_if(set.figures.begin(), set.figures.end(), [&](const Figure& f) { return f.path == path; });
  if (it == set.figures.end() && known) it = set.figures.insert(it, *known);
  if (it == set.figures.end()) return set;
  for (double& value : it->runs) value = value == from ? to : from == 0 ? value + to : value * (to / from);
  return set;
}

}  // namespace

Result<std::vector<Turn>> self_test(const ResultSet& base, const std::vector<Limit>& limits) {
  std::vector<Turn> turns;
  for (const Limit& limit : limits) {
    const auto before = compare(base, base, {limit});
    if (!before) return before.error();
    Turn turn{limit, before->checked.front().base, before->checked.front().head, before->outcome(),
              Checked::Outcome::kOk};
    for (const double value : candidates(limit, turn.base)) {
      if (!limit.holds(turn.base, value)) continue;
      const auto after = compare(base, moved(base, limit.path, turn.base, value), {limit});
      if (!after) return after.error();
      turn.perturbed = after->checked.front().head;
      turn.after = after->outcome();
      if (turn.after == Checked::Outcome::kRegression) break;
    }
    turns.push_back(std::move(turn));
  }
  return turns;
}

}  // namespace netpoll::cli
