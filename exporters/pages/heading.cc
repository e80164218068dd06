// Names the target of a document.
#include "exporters/pages/heading.h"

#include "exporters/json.h"
#include "exporters/pages/member.h"
#include "exporters/text.h"

namespace netpoll::exporters {

std::string target_heading(const Json& document, bool color) {
  const Json& target = at(document, {"target"});
  const Json& command = at(document, {"command"});
  const Json& targets = at(document, {"targets"});
  const Json& cgroups = at(document, {"cgroups"});
  std::string who = word(at(target, {"comm"}));
  if (command.is_array() && !command.empty()) {
    who.clear();
    for (const Json& part : command) who += (who.empty() ? "" : " ") + word(part);
  }
  if (cgroups.is_array()) {
    who = cgroups.size() == 1 ? "cgroup" : "cgroups";
    for (std::size_t i = 0; i < cgroups.size(); ++i) who += (i == 0 ? " " : ", ") + word(cgroups[i]);
  } else if (targets.is_array()) {
    who = std::to_string(targets.size()) + " processes";
  } else if (is_count(at(target, {"pid"}))) {
    who += " (pid " + both_numbers(target) + ")";
  }
  const std::string runtime = runtime_text(target);
  return styled(who, Style::kBold, color) + (runtime.empty() ? "" : ", " + runtime);
}

}  // namespace netpoll::exporters
