// GoroutineReader: consistent pairs of a G and the pollDesc it waits for, out of tables that move (see reader.h).
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "netpoll/result.h"
#include "probes/goroutines/libruntime/runtime_view.h"
#include "probes/goroutines/libruntime/stack_reader.h"

namespace netpoll::probes {

// A goroutine, its stack and labels and, while it is in IO wait, the descriptor it waits for: all as they were at one
// moment.
struct GoroutineRecord {
  GRecord g;
  std::optional<PdRecord> pd;
  StackRecord stack;
};

struct GoroutineRecords {
  std::vector<GoroutineRecord> records;
  std::uint64_t inconsistent = 0;  // kept moving through all attempts, and are left out
  std::uint64_t retries = 0;       // readings of single goroutines that it took beyond those of all
};

// Reads the goroutines of one Runtime. A goroutine that moved is tried `attempts` more times on its own: one takes some
// microseconds, so it has to move every few microseconds to escape them all.
Result<GoroutineRecords> read_goroutines(const RuntimeView& view, const RuntimeInfo& runtime, StackReader& stacks,
                                         int attempts);

// The same of a target that is stopped while copy_goroutines copies, and may run on while the copies are looked into.
struct GoroutineCopies {
  std::vector<GRecord> gs;
  std::vector<PdRecord> pds;  // that those in IO wait wait for
  StackCopies stacks;
};
Result<GoroutineCopies> copy_goroutines(const RuntimeView& view, const RuntimeInfo& runtime, StackReader& stacks);
std::vector<GoroutineRecord> look_into(const GoroutineCopies& copies, const StackReader& stacks);

}  // namespace netpoll::probes
