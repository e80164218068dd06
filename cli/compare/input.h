// Reading documents back: files that may be cut short, foreign, or not JSON at all.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "exporters/json.h"
#include "netpoll/result.h"

namespace netpoll::cli {

// Returns the text of a file ("-": standard input). Fails with kInvalid, and hint, when it cannot be read or is larger
// than any honest one.
Result<std::string> read_text(const std::string& path, const std::string& hint);

// Returns the documents of a file ("-": standard input): one, an array of them, or several one after the other, as
// NDJSON or as `>>` leaves them. Fails with kInvalid (the file is the caller's mistake), naming file and line:
// unreadable, empty, not JSON, cut short, not our documents.
Result<std::vector<exporters::Json>> read_documents(const std::string& path);
// The same for bytes in memory; name is for messages.
Result<std::vector<exporters::Json>> parse_documents(std::string_view text, const std::string& name);

// "netpoll-trace/stat/v1" -> {"stat", 1}; so does "netpoll-trace/stat/v1.4", whose additions we pass over.
struct SchemaName {
  std::string kind;
  int version = 0;
};
// Fails with kInvalid when the document has no schema of ours, or one of a version that this program does not know.
Result<SchemaName> schema_of(const exporters::Json& document, const std::string& name);

}  // namespace netpoll::cli
