// Goroutines of a snapshot: which of them are shown, and their document.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "exporters/json.h"
#include "netpoll/trace/goroutine.h"
#include "probes/goroutines/target_info.h"

namespace netpoll::cli {

// Which goroutines to show; each wish narrows the choice. Without any: those in IO wait.
struct GoroutineFilter {
  bool all = false;  // in whatever state
  std::optional<std::chrono::nanoseconds> min_wait;
  std::optional<int> fd;
  std::string peer;      // part of the peer's address
  std::string function;  // part of the name of a function on its stack, of the one that it runs, or its creator
  bool no_deadline = false;

  bool shows(const trace::GoroutineSnapshot& snapshot, const trace::Goroutine& goroutine) const;
};

exporters::Json snapshot_document(const trace::GoroutineSnapshot& snapshot, const probes::TargetInfo& target,
                                  std::chrono::system_clock::time_point taken_at, const GoroutineFilter& filter);

}  // namespace netpoll::cli
