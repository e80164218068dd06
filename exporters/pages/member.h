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

}  // namespace netpoll::exporters
