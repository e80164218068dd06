// The text of a dump with what is known of each goroutine's descriptor written into it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cli/documents/goroutine_filter.h"
#include "probes/goroutines/dump/dump.h"

namespace netpoll::cli {

// Returns the text with additions where tools that read dumps expect further words: in the brackets of a header, behind
// the state, and in lines that begin with "#" below a counted stack. Control characters of the text become printable.
// What is to be hidden of the text is replaced; what a panic says of itself is not. The records are redacted already.
std::string annotated_text(std::string_view text, const std::vector<probes::Dump>& dumps, const Redaction& redaction);

}  // namespace netpoll::cli
