// Comparison: two result files side by side, and the verdict of the conditions.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/compare/condition.h"
#include "cli/compare/figures.h"

namespace netpoll::cli {

struct Change {
  enum class Verdict { kSame, kHigher, kLower, kUnknown, kOk, kRegression };
  std::string path;
  std::optional<double> base;
  std::optional<double> head;
  Verdict verdict = Verdict::kSame;

  // Percent of the base; nothing where the base is 0 or either is unknown.
  std::optional<double> delta_pct() const;
};
std::string_view verdict_name(Change::Verdict verdict);

struct Checked {
  Condition condition;
  double base = 0;
  double head = 0;
  bool failed = false;
};

struct Comparison {
  std::vector<Change> changes;   // every path of either file, in the order of the head
  std::vector<Checked> checked;  // one per condition, in the order given
  bool regression() const;
};

// Fails with kInvalid when a condition names a path that a file does not have, or whose value is unknown.
Result<Comparison> compare(const ResultSet& base, const ResultSet& head, const std::vector<Condition>& conditions);

}  // namespace netpoll::cli
