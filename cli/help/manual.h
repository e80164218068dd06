// Manual pages in mdoc, made from the table of commands, the tables of tracepoints and the schemas: the answer to the
// hidden command __man, which the build asks for each page.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace netpoll::cli {

// name: of a command, "tracepoints" or "json". Nothing for another.
std::optional<std::string> manual_page(std::string_view name);

}  // namespace netpoll::cli
