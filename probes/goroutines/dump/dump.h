// Dumps: the texts in which Go programs list their goroutines, read back into records: a SIGQUIT or panic dump,
// /debug/pprof/goroutine?debug=2, and the counted stacks of ?debug=1.
//
// Forms: Go 1.18 to 1.27, runtime/traceback.go (goroutineheader, printAncestorTraceback, printcreatedby),
// runtime/panic.go, runtime/pprof/pprof.go (printCountProfile), and what forks and log systems add to them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "netpoll/trace/goroutine.h"

namespace netpoll::probes {

// Where something can be added to the text about goroutines of the dump.
struct DumpPlace {
  std::size_t offset = 0;                 // in the text
  bool in_brackets = true;                // behind the state in a goroutine's header; else a new line may begin there
  std::string line_prefix;                // what a log system puts in front of each line
  std::vector<std::uint32_t> goroutines;  // indices in the snapshot
};

// A piece of the text that tells what may not leave the house.
struct DumpSecret {
  enum class Kind : std::uint8_t { kArguments, kLabels, kLabelValue } kind = Kind::kArguments;
  std::size_t offset = 0;
  std::size_t length = 0;
};

// One dump. Unknown stays unknown: addresses of sockets, say, and of a debug=1 text goids and states. What the frames
// tell is filled in: mode, and of a system call its descriptor.
struct Dump {
  trace::GoroutineSnapshot snapshot;
  std::vector<DumpPlace> places;                         // in the order of the text
  std::vector<DumpSecret> secrets;                       // in the order of the text
  std::vector<std::optional<std::uint64_t>> poll_descs;  // of each goroutine: the pollDesc that it waits for
  bool counted = false;                                  // debug=1: equal goroutines together
  std::size_t first_line = 1;                            // in the text, from 1
  std::size_t last_line = 1;
  bool cut_short = false;  // the text ends in the middle of it
};

// Every dump in the text, in its order; none where there is none. A goid that comes again begins another one. The text
// is foreign: whatever it says, this ends, and at most kMostGoroutines are kept (`cut_short` says that there were
// more).
inline constexpr std::size_t kMostGoroutines = 1'000'000;
std::vector<Dump> parse_dumps(std::string_view text);

}  // namespace netpoll::probes
