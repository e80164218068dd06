// The page of doctor: each feature, what would help, and the verdict.
#include "exporters/json.h"
#include "exporters/pages/member.h"
#include "exporters/pages/pages.h"
#include "exporters/table.h"
#include "exporters/text.h"

namespace netpoll::exporters {
namespace {

std::string section(const std::string& title, const Json& features, bool color) {
  Table table;
  table.column(title, Align::kLeft);
  table.column("", Align::kLeft);
  table.column("for", Align::kLeft);
  table.column("found", Align::kLeft);
  for (const Json& feature : features) {
    const bool ok = at(feature, {"ok"}) == true;
    const Cell state = ok                                ? Cell("ok", Style::kGood)
                       : at(feature, {"wanted"}) == true ? Cell("no", Style::kBad)
                                                         : Cell("absent", Style::kDim);
    table.row({word(at(feature, {"name"})), state, word(at(feature, {"purpose"})),
               Cell(word(feature[ok ? "detail" : "why_not"]), Style::kDim)});
  }
  return table.text(color);
}

std::string fixes(const Json& features) {
  std::string out;
  if (!features.is_array()) return out;
  for (const Json& feature : features) {
    const std::string fix = word(at(feature, {"fix"}));
    if (at(feature, {"ok"}) == false && at(feature, {"wanted"}) == true && !fix.empty()) {
      out += "  " + word(at(feature, {"name"})) + ": " + fix + "\n";
    }
  }
  return out;
}

std::string title_of(const Json& document) {
  const Json& pid = at(document, {"target", "pid"});
  return is_count(pid) ? "pid " + compact(pid) : "target";
}

}  // namespace

std::string doctor_page(const Json& document, const ExportOptions& options) {
  std::string out = section("machine and user", at(document, {"machine"}), options.color);
  const Json& target = at(document, {"target_features"});
  if (target.is_array()) out += "\n" + section(title_of(document), target, options.color);
  if (const std::string help = fixes(at(document, {"machine"})) + fixes(target); !help.empty()) {
    out += "\nwhat would help:\n" + help;
  }
  const std::string backend = word(at(document, {"backend"}));
  const std::string command_backend = word(at(document, {"command_backend"}));
  if (command_backend == "self") return out + "\nrun counts by libruntime's own counters here\n";
  if (command_backend != backend) {
    return out + "\nrun and stat -- CMD count by " + command_backend + " here" +
           (backend.empty() ? "\n" : ", stat of a running process by " + backend + "\n");
  }
  out += backend.empty() ? "\nno back end can count here; the runtime's own counters remain: --backend self\n"
                         : "\nrun and stat count by " + backend + " here\n";
  return out;
}

}  // namespace netpoll::exporters
