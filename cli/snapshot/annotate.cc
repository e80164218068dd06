// Reads dump files and says what is wrong with them.
#include "cli/snapshot/annotate.h"

#include <algorithm>

#include "cli/compare/input.h"
#include "exporters/json.h"

namespace netpoll::cli {
namespace {

std::string lines_of(const probes::Dump& dump) {
  return "lines " + std::to_string(dump.first_line) + " to " + std::to_string(dump.last_line);
}

}  // namespace

bool DumpFile::cut_short() const {
  return std::any_of(dumps.begin(), dumps.end(), [](const probes::Dump& dump) { return dump.cut_short; });
}

Result<DumpFile> read_dump_file(const std::string& path, Log& log) {
  const char* hint = "a dump is what kill -QUIT PID, a panic, or /debug/pprof/goroutine?debug=2 of a Go program prints";
  DumpFile file{.path = path, .text = {}, .dumps = {}};
  auto text = read_text(path, hint);
  if (!text) return std::move(text).error();
  file.text = std::move(*text);
  file.dumps = probes::parse_dumps(file.text);
  if (file.dumps.empty()) {
    return Error(ErrorKind::kInvalid, "no dump of goroutines is in " + path).with_hint(hint);
  }
  for (const probes::Dump& dump : file.dumps) {
    if (dump.cut_short) log.warning(path + ", " + lines_of(dump) + ": the dump is cut short");
  }
  return file;
}

std::string match_text(const DumpMatch& match, const probes::Dump& dump) {
  return std::to_string(match.found) + " of " + std::to_string(dump.snapshot.goroutines.size()) +
         " goroutines are where the dump saw them; " + std::to_string(match.moved) + " have moved on, " +
         std::to_string(match.gone) + " have ended";
}

exporters::Json dump_json(const DumpFile& file, const std::optional<DumpMatch>& match) {
  const probes::Dump& dump = file.dumps.back();
  exporters::Json json;
  json["file"] = file.path;
  json["form"] = dump.counted ? "counts" : "stacks";
  json["dumps"] = file.dumps.size();
  json["first_line"] = dump.first_line;
  json["last_line"] = dump.last_line;
  json["cut_short"] = dump.cut_short;
  json["found"] = match ? exporters::Json(match->found) : exporters::Json(nullptr);
  json["moved"] = match ? exporters::Json(match->moved) : exporters::Json(nullptr);
  json["gone"] = match ? exporters::Json(match->gone) : exporters::Json(nullptr);
  return json;
}

}  // namespace netpoll::cli
