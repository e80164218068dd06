// Looks into documents; apart from the pages, for what it takes of the JSON library is most of their time to compile.
#include "exporters/pages/member.h"

#include "exporters/json.h"
#include "exporters/text.h"

namespace netpoll::exporters {

const Json& at(const Json& node, std::initializer_list<const char*> path) {
  static const Json kNull;
  const Json* here = &node;
  for (const char* name : path) {
    if (!here->is_object()) return kNull;
    const auto it = here->find(name);
    if (it == here->end()) return kNull;
    here = &*it;
  }
  return *here;
}

bool is_count(const Json& value) { return value.is_number_integer() && value >= 0; }
std::string count_text(const Json& value) { return is_count(value) ? grouped(value.get<std::uint64_t>()) : ""; }
std::string ns_text(const Json& value) { return is_count(value) ? human_ns(value.get<std::uint64_t>()) : ""; }
std::string word(const Json& value) { return value.is_string() ? printable(value.get<std::string>()) : ""; }

std::string both_numbers(const Json& who) {
  const std::string pid = compact(at(who, {"pid"}));
  const Json& inner = at(who, {"ns_pid"});
  return is_count(inner) && inner != at(who, {"pid"}) ? pid + " (" + compact(inner) + " inside)" : pid;
}

std::string runtime_text(const Json& target) {
  const std::string kind = word(at(target, {"kind"}));
  if (kind.empty() || kind == "other") return {};
  const std::string version = word(at(target, {"runtime_version"}));
  if (version.empty() || version.starts_with(kind)) return version.empty() ? kind : version;
  return kind + " " + version;
}

}  // namespace netpoll::exporters
