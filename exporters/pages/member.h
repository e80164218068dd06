// Looks into a document that may lack what is looked for.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>

#include "exporters/json_fwd.h"
#include "exporters/text.h"

namespace netpoll::exporters {

// The member at a path of names, null where any of them is missing.
const Json& at(const Json& node, std::initializer_list<const char*> path);

// "1,204", "18.3 us" and the printable word that value is; empty when it is something else.
bool is_count(const Json& value);
std::string count_text(const Json& value);
std::string ns_text(const Json& value);
std::string word(const Json& value);

// The number of a process or thread, and a second where it is in a pid namespace of its own.
std::string both_numbers(const Json& who);

// What a target runs on: "libruntime 0.1.0", "go1.22.5"; empty for no known runtime.
std::string runtime_text(const Json& target);

}  // namespace netpoll::exporters
