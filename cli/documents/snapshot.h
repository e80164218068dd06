// The document of `snapshot`: which goroutines are shown, in which order, and what is said about them together.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "cli/documents/goroutine_filter.h"
#include "cli/documents/goroutine_groups.h"
#include "exporters/snapshot_document.h"
#include "netpoll/result.h"
#include "netpoll/trace/goroutine.h"
#include "probes/goroutines/target_info.h"

namespace netpoll::cli {

// How a snapshot is looked at. A view other than the list shows no more rows than `top`.
struct SnapshotView {
  GoroutineFilter filter;
  Redaction redaction;
  std::optional<std::size_t> top;  // the longest waits only, so many of them
  bool tree = false;               // below the goroutine that started it
  bool summary = false;
  std::optional<GroupBy> group_by;
  std::optional<exporters::Json> base;  // document to compare with
};

// core: the core file that was read; empty: the live target. kInvalid: the base is no snapshot.
Result<exporters::SnapshotDocument> snapshot_document(trace::GoroutineSnapshot snapshot,
                                                      const probes::TargetInfo& target,
                                                      std::chrono::system_clock::time_point taken_at,
                                                      const SnapshotView& view, const std::string& core = {});

}  // namespace netpoll::cli
