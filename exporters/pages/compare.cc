// The page of a comparison: the figures that changed, and the limits that were checked.
#include "exporters/comparison.h"
#include "exporters/json.h"
#include "exporters/pages/member.h"
#include "exporters/pages/pages.h"
#include "exporters/table.h"
#include "exporters/text.h"

namespace netpoll::exporters {
namespace {

// Only what belongs to the program, or has a limit, is worth an eye.
Cell verdict_cell(const Json& change) {
  const std::string verdict = word(at(change, {"verdict"}));
  Style style = Style::kPlain;
  if (verdict == "same") style = Style::kDim;
  if (verdict == "changed" && at(change, {"belongs_to"}) == "program") style = Style::kWarn;
  if (verdict == "regression") style = Style::kBad;
  return {verdict, style};
}

Style outcome_style(const std::string& outcome) {
  if (outcome == "ok") return Style::kGood;
  return outcome == "regression" ? Style::kBad : Style::kWarn;
}

std::string per_text(const Json& document) {
  const std::string per = word(at(document, {"per"}));
  if (per.empty() || per == "none") return {};
  return "counts and times per " + (per == "second" ? per : "call of " + per) + "\n";
}

std::string self_test_text(const Json& document, bool color) {
  std::string out;
  for (const Json& row : at(document, {"self_test"})) {
    const bool turned = at(row, {"turned"}) == true;
    const std::string path = at(row, {"path"});
    out += styled(turned ? "turns" : "does not turn", turned ? Style::kGood : Style::kBad, color) + ": " +
           word(at(row, {"condition"})) + "  (" + word(at(row, {"before"})) + " at " +
           figure_text(path, at(row, {"base"})) + ", " + word(at(row, {"after"})) + " at " +
           figure_text(path, at(row, {"perturbed"})) + ")\n";
  }
  return out;
}

}  // namespace

std::string compare_page(const Json& document, const ExportOptions& options) {
  Table table;
  table.column("figure", Align::kLeft);
  table.column("base", Align::kRight);
  table.column("head", Align::kRight);
  table.column("change", Align::kRight);
  table.column("verdict", Align::kLeft);
  for (const Json* change : shown_changes(document, options.everything)) {
    table.row({change->at("path").get<std::string>(), side_text(*change, "base"), side_text(*change, "head"),
               change_text(*change), verdict_cell(*change)});
  }
  std::string out = sides_text(document, "base") + "\n" + sides_text(document, "head") + "\n" + per_text(document) +
                    "\n" + summary_text(document) + "\n";
  if (!table.empty()) out += "\n" + table.text(options.color);
  const std::string unchanged = unchanged_text(document);
  if (!at(document, {"conditions"}).empty() || !unchanged.empty()) out += "\n";
  if (!unchanged.empty()) out += styled("ok", Style::kGood, options.color) + ": " + unchanged + "\n";
  for (const Json& check : at(document, {"conditions"})) {
    const std::string verdict = word(at(check, {"verdict"}));
    const std::string path = at(check, {"path"});
    out += styled(verdict, outcome_style(verdict), options.color) + ": " + word(at(check, {"condition"})) + "  (" +
           figure_text(path, at(check, {"base"})) + " -> " + figure_text(path, at(check, {"head"})) + ")\n";
  }
  if (at(document, {"self_test"}).is_array()) out += "\n" + self_test_text(document, options.color);
  return out;
}

}  // namespace netpoll::exporters
