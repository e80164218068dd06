// Words for comparisons, shared by the page and the formats for CI.
#include "exporters/comparison.h"

#include <algorithm>
#include <cmath>

#include "exporters/json.h"
#include "exporters/pages/member.h"
#include "exporters/text.h"

namespace netpoll::exporters {
namespace {

bool is_zero(const Json& value) { return !value.is_number() || value == 0; }

bool of_program(const Json& change) { return at(change, {"belongs_to"}) == "program"; }

std::uint64_t counted(const Json& document, const char* owner, const char* verdict) {
  const Json& count = at(document, {"summary", owner, verdict});
  return is_count(count) ? count.get<std::uint64_t>() : 0;
}

std::string figures_text(std::uint64_t count) { return grouped(count) + (count == 1 ? " figure" : " figures"); }

// The few that moved most, by name.
std::string largest(const Json& document, std::size_t most) {
  std::vector<const Json*> moved;
  for (const Json& change : at(document, {"changes"})) {
    const bool changed = at(change, {"verdict"}) == "changed" || at(change, {"verdict"}) == "regression";
    if (!of_program(change) && changed) moved.push_back(&change);
  }
  const auto size = [](const Json* change) {
    return std::abs(at(*change, {"delta_pct"}).is_number() ? at(*change, {"delta_pct"}).get<double>() : 0);
  };
  std::stable_sort(moved.begin(), moved.end(), [&](const Json* a, const Json* b) { return size(a) > size(b); });
  std::string text;
  for (std::size_t i = 0; i < std::min(most, moved.size()); ++i) {
    text += (i == 0 ? "" : ", ") + word(at(*moved[i], {"path"})) + " " + change_text(*moved[i]);
  }
  return moved.size() > most ? text + ", ..." : text;
}

}  // namespace

std::vector<const Json*> shown_changes(const Json& document, bool everything) {
  const Json& changes = at(document, {"changes"});
  const bool program = std::any_of(changes.begin(), changes.end(), of_program);
  std::vector<const Json*> shown;
  for (const Json& change : changes) {
    const std::string verdict = word(at(change, {"verdict"}));
    const std::string path = at(change, {"path"});
    const bool silent = is_zero(at(change, {"base"})) && is_zero(at(change, {"head"}));
    bool wanted = verdict == "regression";
    if (of_program(change)) {
      wanted = wanted || verdict == "changed" || verdict == "inconclusive" || (!silent && !path.ends_with(".per_op"));
    } else if (!program) {
      wanted = wanted || (!silent && path.starts_with("syscalls.") && path.ends_with(".count") &&
                          path.find("in_flight") == std::string::npos && path.find("blocked") == std::string::npos);
    }
    if (everything || wanted) shown.push_back(&change);
  }
  return shown;
}

std::string figure_text(const std::string& path, const Json& number) {
  if (!number.is_number()) return "unknown";
  const auto value = number.get<double>();
  if (path.find("_ns") != std::string::npos && value >= 0 && value < 1e18) {
    return human_ns(static_cast<std::uint64_t>(std::llround(value)));
  }
  if (std::trunc(value) == value && value >= 0 && value < 1e18) return grouped(static_cast<std::uint64_t>(value));
  return fixed(value, std::abs(value) < 0.1 ? 6 : 3);
}

std::string side_text(const Json& change, const char* side) {
  const std::string path = at(change, {"path"});
  std::string median = figure_text(path, change[side]);
  const Json& range = at(change, {side == std::string_view("base") ? "base_range" : "head_range"});
  if (!range.is_object() || at(range, {"min"}) == at(range, {"max"})) return median;
  return median + " (" + figure_text(path, at(range, {"min"})) + ".." + figure_text(path, at(range, {"max"})) + ")";
}

std::string change_text(const Json& change) {
  const Json& delta = at(change, {"delta_pct"});
  std::string text;
  if (delta.is_number()) {
    const auto percent = delta.get<double>();
    text = percent == 0 ? "0 %" : (percent > 0 ? "+" : "") + fixed(percent, 2) + " %";
  } else if (at(change, {"base"}).is_number() && at(change, {"head"}).is_number()) {
    text = "from 0";
  }
  const Json& p = at(change, {"p"});
  return p.is_number() ? text + " (p=" + fixed(p.get<double>(), 3) + ")" : text;
}

std::string sides_text(const Json& document, const char* side) {
  const Json& runs = at(document, {side, "runs"});
  return std::string(side) + ": " + word(at(document, {side, "file"})) + " (" + count_text(runs) +
         (runs == 1 ? " run)" : " runs, medians)");
}

std::string unchanged_text(const Json& document) {
  if (at(document, {"fail_on_changed"}) != true) return {};
  const bool unclear = counted(document, "program", "changed") + counted(document, "program", "inconclusive") > 0;
  return unclear ? std::string() : "no figure of the program changed";
}

std::string summary_text(const Json& document) {
  const std::uint64_t same = counted(document, "program", "same");
  const std::uint64_t changed = counted(document, "program", "changed");
  const std::uint64_t unclear = counted(document, "program", "inconclusive");
  const std::uint64_t moved = counted(document, "timing", "changed");
  const std::uint64_t noise = counted(document, "timing", "inconclusive");
  std::string text;
  if (same + changed + unclear == 0) {
    text = "every figure depends on timing here";
  } else if (changed + unclear == 0) {
    text = "the same: " + figures_text(same) + " that belong to the program";
  } else {
    text = changed > 0 ? "changed: " + figures_text(changed) : "inconclusive: " + figures_text(unclear);
    if (changed > 0 && unclear > 0) text += ", and inconclusive: " + grouped(unclear);
    text += ", of " + grouped(same + changed + unclear) + " that belong to the program";
  }
  if (noise > 0) text += "; " + grouped(noise) + " moved as timing does, which proves nothing";
  if (moved > 0) text += "; of timing, changed: " + grouped(moved) + " (" + largest(document, 3) + ")";
  return text + ".";
}

}  // namespace netpoll::exporters
