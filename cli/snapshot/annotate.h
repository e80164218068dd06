// snapshot --annotate: a dump that exists already, with what a process, a core, or its own frames tell beside it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/log.h"
#include "cli/snapshot/dump_match.h"
#include "exporters/json_fwd.h"
#include "netpoll/result.h"
#include "probes/goroutines/dump/dump.h"

namespace netpoll::cli {

struct DumpFile {
  std::string path;
  std::string text;
  std::vector<probes::Dump> dumps;  // one at least

  bool cut_short() const;
};

// Reads a file ("-": standard input). kInvalid: it cannot be read, or no dump is in it. Warns of what is incomplete.
Result<DumpFile> read_dump_file(const std::string& path, Log& log);

// "58 of 61 goroutines are where the dump saw them; 2 have moved on, 1 has ended"
std::string match_text(const DumpMatch& match, const probes::Dump& dump);

// The member .dump of a document about the last of the file's dumps. match: nothing when neither process nor core was
// asked.
exporters::Json dump_json(const DumpFile& file, const std::optional<DumpMatch>& match);

}  // namespace netpoll::cli
