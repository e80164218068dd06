// The page of lint: each finding with what was seen and how to mend it, then how much was looked at.
#include "exporters/pages/member.h"
#include "exporters/pages/pages.h"
#include "exporters/table.h"

namespace netpoll::exporters {
namespace {

std::string where(const Json& finding) {
  std::string out = "pid " + compact(finding["pid"]);
  if (is_count(finding["fd"])) out += ", fd " + compact(finding["fd"]);
  if (is_count(finding["epfd"])) out += " in epoll fd " + compact(finding["epfd"]);
  return out;
}

std::string counted(const Json& count, const char* one) {
  return count_text(count) + " " + one + (count == 1 ? "" : "s");
}

}  // namespace

std::string lint_page(const Json& document, const ExportOptions& options) {
  std::string out;
  for (const Json& f : document["findings"]) {
    const Style style = f["level"] == "error" ? Style::kBad : Style::kWarn;
    out += styled(word(f["level"]), style, options.color) + ": " + where(f) + ": " + word(f["meaning"]) + " [" +
           word(f["rule"]) + "]\n  seen: " + word(f["evidence"]) + "\n  fix: " + word(f["fix"]) + "\n";
  }
  const Json& seen = document["looked_at"];
  out += document["findings"].empty()
             ? "nothing is wrong"
             : counted(document["errors"], "error") + ", " + counted(document["warnings"], "warning");
  out += " in " + counted(seen["instances"], "epoll instance") + ", " + counted(seen["registrations"], "registration") +
         ", " + counted(seen["goroutines"], "goroutine") + "\n";
  for (const Json& note : at(document, {"probe", "notes"})) out += word(note) + "\n";
  return out;
}

}  // namespace netpoll::exporters
