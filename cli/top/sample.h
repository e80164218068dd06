// TopSample: what one look at the processes saw.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cli/documents/top.h"
#include "netpoll/trace/goroutine.h"
#include "probes/process/descriptors/interest_sets.h"
#include "probes/process/threads.h"

namespace netpoll::cli {

// How much a look reads: states of goroutines, threads and counts, or also what some views and details need: stacks,
// and what descriptors are. Who holds their other ends is looked up for one row at a time, where a person asks
// (details.h).
enum class TopDepth : std::uint8_t { kStates, kAll };

struct ThreadSample {
  probes::ThreadStatus status;
  std::optional<double> cpu_percent;        // since the look before; 100 is one CPU
  std::optional<double> cpu_delay_percent;  // of that time, it could have run and had no CPU
};

struct ProcessSample {
  TopProcess facts;
  std::optional<trace::GoroutineSnapshot> goroutines;  // nothing: no runtime that can be read
  std::vector<probes::InterestSet> sets;               // where there are no goroutines
  std::vector<ThreadSample> threads;
};

// Immutable once it is taken, since two threads may look at it.
struct TopSample {
  std::uint64_t look = 0;  // 1 for the first
  TopDepth depth = TopDepth::kAll;
  std::chrono::system_clock::time_point taken_at;
  std::chrono::nanoseconds took{0};
  std::vector<ProcessSample> processes;  // by pid
  probes::Backend backend = probes::Backend::kNone;
  std::string overhead_note;
  std::vector<std::string> notes;  // what is missing in it, and why; one sentence each
  std::vector<std::string> ended;  // processes that were gone since the look before, in words

  bool has_goroutines() const;
  bool has_registrations() const;
};

}  // namespace netpoll::cli
