// The page of lint: each finding with what was seen and how to mend it, then how much was looked at.
#include "exporters/json.h"
#include "exporters/pages/member.h"
#include "exporters/pages/pages.h"
#include "exporters/table.h"

namespace netpoll::exporters {
namespace {

std::string where(const Json& finding) {
  std::string out = "pid " + compact(at(finding, {"pid"}));
  if (is_count(at(finding, {"fd"}))) out += ", fd " + compact(at(finding, {"fd"}));
  if (is_count(at(finding, {"epfd"}))) out += " in epoll fd " + compact(at(finding, {"epfd"}));
  return out;
}

std::string counted(const Json& count, const char* one) {
  return count_text(count) + " " + one + (count == 1 ? "" : "s");
}

}  // namespace

std::string lint_page(const Json& document, const ExportOptions& options) {
  std::string out;
  for (const Json& f : at(document, {"findings"})) {
    const Style style = at(f, {"level"}) == "error" ? Style::kBad : Style::kWarn;
    out += styled(word(at(f, {"level"})), style, options.color) + ": " + where(f) + ": " + word(at(f, {"meaning"})) +
           " [" + word(at(f, {"rule"})) + "]\n  seen: " + word(at(f, {"evidence"})) +
           "\n  fix: " + word(at(f, {"fix"})) + "\n";
  }
  const Json& seen = at(document, {"looked_at"});
  out += at(document, {"findings"}).empty()
             ? "nothing is wrong"
             : counted(at(document, {"errors"}), "error") + ", " + counted(at(document, {"warnings"}), "warning");
  out += " in " + counted(at(seen, {"instances"}), "epoll instance") + ", " +
         counted(at(seen, {"registrations"}), "registration") + ", " + counted(at(seen, {"goroutines"}), "goroutine") +
         "\n";
  for (const Json& note : at(document, {"probe", "notes"})) out += word(note) + "\n";
  return out;
}

}  // namespace netpoll::exporters
