// The page of a comparison: the figures that changed, and the limits that were checked.
#include <cmath>

#include "exporters/pages/member.h"
#include "exporters/pages/pages.h"
#include "exporters/table.h"

namespace netpoll::exporters {
namespace {

std::string value_text(const std::string& path, const Json& number) {
  if (!number.is_number()) return "unknown";
  const auto value = number.get<double>();
  if (path.find("_ns") != std::string::npos && value >= 0) return human_ns(static_cast<std::uint64_t>(value));
  if (std::trunc(value) == value && value >= 0 && value < 1e18) return grouped(static_cast<std::uint64_t>(value));
  return fixed(value, std::abs(value) < 0.1 ? 6 : 3);
}

std::string delta_text(const Json& change) {
  const Json& delta = at(change, {"delta_pct"});
  if (!delta.is_number()) return change["base"].is_number() && change["head"].is_number() ? "from 0" : "";
  const auto percent = delta.get<double>();
  if (percent == 0) return "0 %";
  return (percent > 0 ? "+" : "") + fixed(percent, 2) + " %";
}

Cell verdict_cell(const std::string& verdict) {
  Style style = Style::kPlain;
  if (verdict == "regression") style = Style::kBad;
  if (verdict == "ok") style = Style::kGood;
  if (verdict == "same") style = Style::kDim;
  return {verdict, style};
}

std::string side(const Json& document, const char* name) {
  const Json& runs = at(document, {name, "runs"});
  return std::string(name) + ": " + word(at(document, {name, "file"})) + " (" + count_text(runs) +
         (runs == 1 ? " run)" : " runs, medians)") + "\n";
}

}  // namespace

std::string compare_page(const Json& document, const ExportOptions& options) {
  Table table;
  table.column("figure", Align::kLeft);
  table.column("base", Align::kRight);
  table.column("head", Align::kRight);
  table.column("change", Align::kRight);
  table.column("verdict", Align::kLeft);
  for (const Json& change : document["changes"]) {
    const std::string verdict = word(change["verdict"]);
    if (!options.everything && (verdict == "same" || verdict == "unknown")) continue;
    const std::string path = change["path"];
    table.row({path, value_text(path, change["base"]), value_text(path, change["head"]), delta_text(change),
               verdict_cell(verdict)});
  }
  std::string out = side(document, "base") + side(document, "head") + "\n";
  out += table.empty() ? "every figure is the same\n" : table.text(options.color);
  if (document["conditions"].empty()) return out;
  out += "\n";
  for (const Json& check : document["conditions"]) {
    const std::string verdict = word(check["verdict"]);
    const std::string path = check["path"];
    out += styled(verdict, verdict == "ok" ? Style::kGood : Style::kBad, options.color) + ": " +
           word(check["condition"]) + "  (" + value_text(path, check["base"]) + " -> " +
           value_text(path, check["head"]) + ")\n";
  }
  return out;
}

}  // namespace netpoll::exporters
