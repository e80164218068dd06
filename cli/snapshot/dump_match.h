// Finds the goroutines of a dump in the process, or core, that it came from.
#pragma once

#include <cstdint>

#include "netpoll/trace/goroutine.h"
#include "probes/goroutines/dump/dump.h"

namespace netpoll::cli {

struct DumpMatch {
  std::uint64_t found = 0;  // where they were when the dump was made
  std::uint64_t moved = 0;  // still there, but elsewhere in the code: nothing is said of them
  std::uint64_t gone = 0;
};

// Adds to each goroutine of the dump what the live one tells: descriptor, addresses, direction, deadline, labels, goid.
// It is the same one if it has the goid, and the same functions and lines on its stack; in a dump that counts and names
// no goids, any one with that stack that is not taken yet.
DumpMatch match_dump(probes::Dump& dump, const trace::GoroutineSnapshot& live);

}  // namespace netpoll::cli
