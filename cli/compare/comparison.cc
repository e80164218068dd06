// Pairs the figures of two results and judges each change and condition.
#include "cli/compare/comparison.h"

#include <algorithm>
#include <cmath>

namespace netpoll::cli {
namespace {

using Verdict = Change::Verdict;

Verdict plain_verdict(const Change& change) {
  if (!change.base || !change.head) return Verdict::kUnknown;
  if (*change.base == *change.head) return Verdict::kSame;
  return *change.head > *change.base ? Verdict::kHigher : Verdict::kLower;
}

Result<double> known(const std::vector<Figure>& figures, const Condition& condition, const std::string& name) {
  const auto figure = figure_at(figures, condition.path, name);
  if (!figure) return figure.error();
  if (!figure->value) {
    return Error(ErrorKind::kInvalid, condition.path + " is unknown in " + name)
        .with_hint("the back end of that run could not measure it; netpoll-trace doctor says which one can");
  }
  return *figure->value;
}

}  // namespace

std::optional<double> Change::delta_pct() const {
  if (!base || !head) return std::nullopt;
  if (*base == *head) return 0.0;
  if (*base == 0) return std::nullopt;
  return std::round(100 * (*head - *base) / std::abs(*base) * 1e4) / 1e4;
}

std::string_view verdict_name(Verdict verdict) {
  switch (verdict) {
    case Verdict::kSame:
      return "same";
    case Verdict::kHigher:
      return "higher";
    case Verdict::kLower:
      return "lower";
    case Verdict::kUnknown:
      return "unknown";
    case Verdict::kOk:
      return "ok";
    case Verdict::kRegression:
      return "regression";
  }
  return "unknown";
}

bool Comparison::regression() const {
  return std::any_of(checked.begin(), checked.end(), [](const Checked& check) { return check.failed; });
}

Result<Comparison> compare(const ResultSet& base, const ResultSet& head, const std::vector<Condition>& conditions) {
  const auto before = figures(base);
  const auto after = figures(head);
  Comparison comparison;
  const auto value_in = [](const std::vector<Figure>& all, const std::string& path) -> std::optional<double> {
    const auto figure = figure_at(all, path, "");
    return figure ? figure->value : std::nullopt;
  };
  for (const Figure& figure : after) {
    comparison.changes.push_back({figure.path, value_in(before, figure.path), figure.value});
  }
  for (const Figure& figure : before) {
    const auto same = [&](const Figure& other) { return other.path == figure.path; };
    if (std::none_of(after.begin(), after.end(), same)) {
      comparison.changes.push_back({figure.path, figure.value, value_in(after, figure.path)});
    }
  }
  for (Change& change : comparison.changes) change.verdict = plain_verdict(change);

  for (const Condition& condition : conditions) {
    // A condition on the head's value alone still names a path that both must have, or a typing mistake in a
    // document that lost a field would pass for ever.
    const auto head_value = known(after, condition, head.name);
    if (!head_value) return head_value.error();
    double base_value = 0;
    if (condition.against == Condition::Against::kValue) {
      base_value = value_in(before, condition.path).value_or(0);
    } else {
      const auto value = known(before, condition, base.name);
      if (!value) return value.error();
      base_value = *value;
    }
    const bool failed = condition.holds(base_value, *head_value);
    comparison.checked.push_back({condition, base_value, *head_value, failed});

    auto change = std::find_if(comparison.changes.begin(), comparison.changes.end(),
                               [&](const Change& c) { return c.path == condition.path; });
    if (change == comparison.changes.end()) {
      change = comparison.changes.insert(change, {condition.path, base_value, *head_value});
    }
    if (failed || change->verdict != Verdict::kRegression)
      change->verdict = failed ? Verdict::kRegression : Verdict::kOk;
  }
  return comparison;
}

}  // namespace netpoll::cli
