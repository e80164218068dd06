// Texts in quotes, as Go and JSON write them.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace netpoll::probes {

// The text in quotes at the start of text, which is left with what follows. Escapes are those of Go (strconv.Quote, and
// the runtime's printquoted) and of JSON; one that is none of them stays as it is. Nothing: no quotes begin there, or
// they do not end.
std::optional<std::string> take_quoted(std::string_view& text);

}  // namespace netpoll::probes
