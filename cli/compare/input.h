// Reading documents back: files that may be cut short, foreign, or not JSON at all.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "exporters/json_fwd.h"
#include "netpoll/result.h"

namespace netpoll::cli {

// Returns the text of a file ("-": standard input). Fails with kInvalid, and hint, when it cannot be read or is larger
// than any honest one.
Result<std::string> read_text(const std::string& path, const std::string& hint);
// The same into text, whose memory is used again.
Result<void> read_text(const std::string& path, const std::string& hint, std::string& text);

// Deeper than any document of ours, and less than what costs a program that walks it its stack.
inline constexpr std::size_t kDeepest = 128;

// How a file of results comes to be, as a hint.
inline constexpr std::string_view kHowToWrite = "a result is written by: netpoll-trace run echo --json -o FILE";

// Returns the documents of a file ("-": standard input): one, an array of them, or several one after the other, as
// NDJSON or as `>>` leaves them. Fails with kInvalid (the file is the caller's mistake), naming file and line:
// unreadable, empty, not JSON, cut short, not our documents.
Result<std::vector<exporters::Json>> read_documents(const std::string& path);
// The same for bytes in memory; name is for messages.
Result<std::vector<exporters::Json>> parse_documents(std::string_view text, const std::string& name);

// The same in two steps: the pieces of text that are a value each, whole and not nested too deep; and the documents in
// one of them, one or an array.
Result<std::vector<std::string_view>> values_of(std::string_view text, const std::string& name);
Result<std::vector<exporters::Json>> documents_of(std::string_view text, std::string_view value,
                                                  const std::string& name);

// Returns the one document of a file ("-": standard input) that the subcommand kind writes, as for its --diff. Fails
// like read_documents(), and with kInvalid for anything else; the hint says how such a file is written.
Result<exporters::Json> read_view(const std::string& path, const std::string& kind);

// The errors of whoever reads the text of a file in another way.
Error no_document(const std::string& name);
Error no_result(const std::string& name);
Error no_sample(const std::string& name);
Error stands_twice(const std::string& name, std::string_view member);

// "netpoll-trace/stat/v1" -> {"stat", 1}; so does "netpoll-trace/stat/v1.4", whose additions we pass over.
struct SchemaName {
  std::string kind;
  int version = 0;
};
// Fails with kInvalid when the document has no schema of ours, or one of a version that this program does not know.
Result<SchemaName> schema_of(const exporters::Json& document, const std::string& name);

}  // namespace netpoll::cli
