// What every format says of a comparison: which figures it shows, and its figures and verdicts in words.
#pragma once

#include <string>
#include <vector>

#include "exporters/json_fwd.h"

namespace netpoll::exporters {

// Document is that of compare (schema compare).

// The changes that a reader wants: those with a limit that was passed, those of the program, and where nothing belongs
// to the program (windows of running processes) the counts. everything: all.
std::vector<const Json*> shown_changes(const Json& document, bool everything);

// "1,204" or "18.3 us", the median of a side; "1,204 (1,200..1,310)" where its runs differ.
std::string side_text(const Json& change, const char* side);
// "+2.04 %", "from 0", with "(p=0.008)" where a test was made.
std::string change_text(const Json& change);
// A number in the unit of its path.
std::string figure_text(const std::string& path, const Json& number);

// "base: a.json (3 runs, medians)".
std::string sides_text(const Json& document, const char* side);
// One sentence on the program's figures, and on those of timing.
std::string summary_text(const Json& document);
// Of --fail-on changed, where nothing did or may have: "no figure of the program changed"; else empty.
std::string unchanged_text(const Json& document);

}  // namespace netpoll::exporters
