// Looks into a document that may lack what is looked for.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>

#include "exporters/json.h"
#include "exporters/text.h"

namespace netpoll::exporters {

// The member at a path of names, null where any of them is missing.
inline const Json& at(const Json& node, std::initializer_list<const char*> path) {
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

// "1,204", "18.3 us" and the printable word that value is; empty when it is something else.
inline bool is_count(const Json& value) { return value.is_number_integer() && value >= 0; }
inline std::string count_text(const Json& value) { return is_count(value) ? grouped(value.get<std::uint64_t>()) : ""; }
inline std::string ns_text(const Json& value) { return is_count(value) ? human_ns(value.get<std::uint64_t>()) : ""; }
inline std::string word(const Json& value) { return value.is_string() ? printable(value.get<std::string>()) : ""; }

// The number of a process or thread, and a second where it is in a pid namespace of its own.
inline std::string both_numbers(const Json& who) {
  const std::string pid = at(who, {"pid"}).dump();
  const Json& inner = at(who, {"ns_pid"});
  return is_count(inner) && inner != at(who, {"pid"}) ? pid + " (" + inner.dump() + " inside)" : pid;
}

// What a target runs on: "libruntime 0.1.0", "go1.22.5"; empty for no known runtime.
inline std::string runtime_text(const Json& target) {
  const std::string kind = word(at(target, {"kind"}));
  if (kind.empty() || kind == "other") return {};
  const std::string version = word(at(target, {"runtime_version"}));
  if (version.empty() || version.starts_with(kind)) return version.empty() ? kind : version;
  return kind + " " + version;
}

}  // namespace netpoll::exporters
