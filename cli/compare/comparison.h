// Comparison: the figures of two sides next to each other, what can be said of each, and which limits are passed.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/compare/figures.h"
#include "cli/compare/limit.h"
#include "cli/compare/nature.h"
#include "cli/compare/statistics.h"

namespace netpoll::cli {

// A change below this share of the base, in percent, is none.
constexpr double kLeastChangePct = 0.1;

// A figure on one side.
struct Side {
  std::optional<double> value;  // the median; nothing: unknown, or no such figure
  Bounds range;                 // of the runs
  std::optional<Bounds> confidence;
};

struct Change {
  // What two measurements say: that the figure is the same, that it changed, or too little to tell. kUnknown: one side
  // does not know it. kRegression: a limit on it is passed.
  enum class Verdict { kSame, kChanged, kInconclusive, kUnknown, kRegression };
  std::string path;
  Side base;
  Side head;
  Nature nature = Nature::kTiming;
  std::optional<RankTest> test;  // where values scatter and there are enough runs
  Verdict verdict = Verdict::kUnknown;

  // Percent of the base; nothing where the base is 0 or either is unknown.
  std::optional<double> delta_pct() const;
};
std::string_view verdict_name(Change::Verdict verdict);

struct Checked {
  enum class Outcome { kOk, kRegression, kInconclusive };
  Limit limit;
  double base = 0;
  double head = 0;
  Outcome outcome = Outcome::kOk;
};
std::string_view outcome_name(Checked::Outcome outcome);

struct Comparison {
  std::vector<Change> changes;   // every path of either side, in the order of the head
  std::vector<Checked> checked;  // one a limit, in the order given
  Checked::Outcome outcome() const;
  // How many figures belong to the program, and how many of those only one side knows.
  std::size_t of_program() const;
  std::size_t of_program_on_one_side() const;
};

// Fails with kInvalid when a limit names a path that a side does not have, or whose value is unknown.
Result<Comparison> compare(const ResultSet& base, const ResultSet& head, const std::vector<Limit>& limits);

// The limit that no figure of the program may change, in either direction: a Checked for each that did, or may have.
void forbid_changes(Comparison& comparison);
// What self_test() proves that limit with: that one of these figures may not change. Nothing: there is none.
std::optional<Limit> forbidden_change(const Comparison& comparison);

}  // namespace netpoll::cli
