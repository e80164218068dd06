// Pairs the figures of two sides and judges each change and limit.
#include "cli/compare/comparison.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <unordered_map>
#include <unordered_set>

#include "cli/compare/median.h"

namespace netpoll::cli {
namespace {

using Verdict = Change::Verdict;
using Outcome = Checked::Outcome;

// Medians that are known to within this share of the base, in percent, and do not differ significantly, are the same.
constexpr double kKnownWithinPct = 2;
// Calls, and share of the base in percent, by which a loose figure of the program moves without a reason in it.
constexpr double kLooseCalls = 10;
constexpr double kLoosePct = 1;

// The known values of a figure, ascending; empty when it is unknown in one of the runs.
std::vector<double> ordered(const Figure* figure) {
  if (figure == nullptr || !figure->known()) return {};
  std::vector<double> values = figure->runs;
  std::sort(values.begin(), values.end());
  return values;
}

Side side_of(const std::vector<double>& values) {
  if (values.empty()) return {};
  return {median_of_ordered(values), {values.front(), values.back()}, median_bounds(values)};
}

bool constant(const Side& side) { return side.range.low == side.range.high; }

// Whether both medians are known well enough to call them equal when no test tells them apart.
bool known_well(const Change& change) {
  const double allowed = std::abs(*change.base.value) * kKnownWithinPct / 100;
  for (const Side* side : {&change.base, &change.head}) {
    if (!side->confidence || side->confidence->high - side->confidence->low > 2 * allowed) return false;
  }
  return std::abs(*change.head.value - *change.base.value) <= allowed;
}

// calls_per_unit: 1 of a count, the operations of a figure per operation.
bool within_play(const Change& change, double calls_per_unit) {
  const double moved = std::abs(*change.head.value - *change.base.value);
  return moved * calls_per_unit <= kLooseCalls || moved <= std::abs(*change.base.value) * kLoosePct / 100;
}

// base and head ascend. operations turns a figure per operation into calls.
void judge(Change& change, const std::vector<double>& base, const std::vector<double>& head, double operations) {
  if (!change.base.value || !change.head.value) return;
  const auto percent = change.delta_pct();
  if (percent && std::abs(*percent) < kLeastChangePct) {
    change.verdict = Verdict::kSame;
    return;
  }
  if (change.nature == Nature::kLoose && within_play(change, change.path.ends_with(".per_op") ? operations : 1)) {
    change.verdict = Verdict::kSame;
    return;
  }
  if (change.nature != Nature::kTiming && constant(change.base) && constant(change.head)) {
    change.verdict = Verdict::kChanged;
    return;
  }
  change.verdict = Verdict::kInconclusive;
  if (base.size() < kLeastSamples || head.size() < kLeastSamples) return;
  change.test = rank_test(base, head);
  if (change.test->p < kAlpha) {
    change.verdict = Verdict::kChanged;
  } else if (known_well(change)) {
    change.verdict = Verdict::kSame;
  }
}

Nature looser(Nature a, Nature b) { return std::max(a, b); }

// Attempts that ended in EAGAIN make a call's count a matter of timing; what it did without them is the program's.
std::unordered_set<std::string> split_calls(const ResultSet& base, const ResultSet& head) {
  std::unordered_set<std::string> calls;
  for (const ResultSet* set : {&base, &head}) {
    for (const Figure& figure : set->figures) {
      const auto at = figure.path.rfind(".without_eagain");
      if (at != std::string::npos) calls.insert(figure.path.substr(0, at));
    }
  }
  return calls;
}

class Comparer {
 public:
  Comparer(const ResultSet& base, const ResultSet& head)
      : base_(base),
        head_(head),
        split_(split_calls(base, head)),
        before_(Surroundings::of(base.frame)),
        after_(Surroundings::of(head.frame)) {
    for (const Figure& figure : base.figures) in_base_.emplace(figure.path, &figure);
    for (const Figure& figure : head.figures) in_head_.emplace(figure.path, &figure);
    const Figure* operations = found(in_base_, "operations");
    if (operations != nullptr) operations_ = operations->value().value_or(1);
  }

  std::vector<Change> changes() const {
    std::vector<Change> all;
    for (const Figure& figure : head_.figures) all.push_back(change_at(figure.path));
    for (const Figure& figure : base_.figures) {
      if (!in_head_.contains(figure.path)) all.push_back(change_at(figure.path));
    }
    return all;
  }

  Change change_at(const std::string& path) const {
    const auto base = ordered(series(base_, in_base_, path).get());
    const auto head = ordered(series(head_, in_head_, path).get());
    Change change{path, side_of(base), side_of(head), nature(path), {}, Verdict::kUnknown};
    judge(change, base, head, operations_);
    return change;
  }

 private:
  using Index = std::unordered_map<std::string, const Figure*>;

  static const Figure* found(const Index& index, const std::string& path) {
    const auto it = index.find(path);
    return it == index.end() ? nullptr : it->second;
  }

  // A figure of one side; an errno, or what EAGAIN leaves, also where that side has no such path but knows the call.
  static std::unique_ptr<Figure> series(const ResultSet& set, const Index& index, const std::string& path) {
    if (const Figure* figure = found(index, path)) return std::make_unique<Figure>(*figure);
    if (path.find(".errors.") == std::string::npos && !path.ends_with(".without_eagain")) return nullptr;
    const auto figure = known_figure(set, path);
    return figure ? std::make_unique<Figure>(*figure) : nullptr;
  }

  Nature nature(const std::string& path) const {
    const std::string call = path.substr(0, path.rfind('.'));
    const bool counts_attempts = path.ends_with(".count") || path.ends_with(".per_op");
    if (counts_attempts && split_.contains(call)) return Nature::kTiming;
    return looser(nature_of(path, before_), nature_of(path, after_));
  }

  const ResultSet& base_;
  const ResultSet& head_;
  Index in_base_;
  Index in_head_;
  std::unordered_set<std::string> split_;
  Surroundings before_;
  Surroundings after_;
  double operations_ = 1;
};

Result<Checked> check(const Limit& limit, const ResultSet& base, const ResultSet& head, Change& change) {
  const auto with_source = [&](const Error& error) {
    if (!limit.source) return error;
    return Error(ErrorKind::kInvalid, limit.source->file + ":" + std::to_string(limit.source->line) + ":" +
                                          std::to_string(limit.source->column) + ": " + error.message())
        .with_hint(error.hint());
  };
  // A limit on the head's value alone still names a path that both must have, or a typing mistake in a document that
  // lost a field would pass for ever.
  const auto after = known_figure(head, limit.path);
  if (!after) return with_source(after.error());
  const auto before = known_figure(base, limit.path);
  if (!before && limit.is_about_change()) return with_source(before.error());

  Checked checked{limit, before ? *before->value() : 0, *after->value(), Outcome::kOk};
  if (!limit.holds(checked.base, checked.head)) return checked;
  // What scatters and could have come out like this by chance is no regression, nor is it none.
  const bool chance = limit.is_about_change() && change.test && change.test->p >= kAlpha;
  checked.outcome = chance ? Outcome::kInconclusive : Outcome::kRegression;
  if (!chance) change.verdict = Verdict::kRegression;
  return checked;
}

bool belongs_to_program(const Change& change) { return change.nature != Nature::kTiming; }

}  // namespace

std::optional<double> Change::delta_pct() const {
  if (!base.value || !head.value) return std::nullopt;
  if (*base.value == *head.value) return 0.0;
  if (*base.value == 0) return std::nullopt;
  return std::round(100 * (*head.value - *base.value) / std::abs(*base.value) * 1e4) / 1e4;
}

std::string_view verdict_name(Verdict verdict) {
  switch (verdict) {
    case Verdict::kSame:
      return "same";
    case Verdict::kChanged:
      return "changed";
    case Verdict::kInconclusive:
      return "inconclusive";
    case Verdict::kUnknown:
      return "unknown";
    case Verdict::kRegression:
      return "regression";
  }
  return "unknown";
}

std::string_view outcome_name(Outcome outcome) {
  switch (outcome) {
    case Outcome::kOk:
      return "ok";
    case Outcome::kRegression:
      return "regression";
    case Outcome::kInconclusive:
      return "inconclusive";
  }
  return "ok";
}

Outcome Comparison::outcome() const {
  Outcome worst = Outcome::kOk;
  for (const Checked& check : checked) {
    if (check.outcome == Outcome::kRegression) return Outcome::kRegression;
    if (check.outcome == Outcome::kInconclusive) worst = Outcome::kInconclusive;
  }
  return worst;
}

std::size_t Comparison::of_program() const {
  return static_cast<std::size_t>(std::count_if(changes.begin(), changes.end(), belongs_to_program));
}

std::size_t Comparison::of_program_on_one_side() const {
  return static_cast<std::size_t>(std::count_if(changes.begin(), changes.end(), [](const Change& change) {
    return belongs_to_program(change) && change.base.value.has_value() != change.head.value.has_value();
  }));
}

void forbid_changes(Comparison& comparison) {
  for (Change& change : comparison.changes) {
    const bool changed = change.verdict == Verdict::kChanged;
    if (!belongs_to_program(change) || (!changed && change.verdict != Verdict::kInconclusive)) continue;
    const Limit limit{change.path + " changed", change.path, {}, std::nullopt};
    comparison.checked.push_back(
        {limit, *change.base.value, *change.head.value, changed ? Outcome::kRegression : Outcome::kInconclusive});
    if (changed) change.verdict = Verdict::kRegression;
  }
}

std::optional<Limit> forbidden_change(const Comparison& comparison) {
  for (const Change& change : comparison.changes) {
    if (!belongs_to_program(change) || !change.base.value || *change.base.value == 0) continue;
    Condition condition{change.path + " changed", change.path, Condition::Op::kNotEqual,
                        Condition::Against::kDifference, 0};
    return limit_of(std::move(condition));
  }
  return std::nullopt;
}

Result<Comparison> compare(const ResultSet& base, const ResultSet& head, const std::vector<Limit>& limits) {
  const Comparer comparer(base, head);
  Comparison comparison;
  comparison.changes = comparer.changes();
  for (const Limit& limit : limits) {
    auto change = std::find_if(comparison.changes.begin(), comparison.changes.end(),
                               [&](const Change& c) { return c.path == limit.path; });
    if (change == comparison.changes.end()) {
      change = comparison.changes.insert(change, comparer.change_at(limit.path));
    }
    auto checked = check(limit, base, head, *change);
    if (!checked) return checked.error();
    comparison.checked.push_back(std::move(*checked));
  }
  return comparison;
}

}  // namespace netpoll::cli
