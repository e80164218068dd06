// The JSON Schemas of our documents: cli/schemas/NAME.json with what they share (shared.json) and the tables of system
// calls and tracepoints put in. So a row of a table, or a shared member, is written once.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace netpoll::cli {

// "run", as in "netpoll-trace/run/v1".
std::vector<std::string> schema_names();

// The whole schema of a document, refering to nothing outside of itself; nothing for an unknown name.
std::optional<std::string> schema_text(std::string_view name);

}  // namespace netpoll::cli
