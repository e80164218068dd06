// SnapshotDocument: the goroutines of a process or core, and what a command says of them, as exporters show it.
#pragma once

#include <chrono>
#include <cstdint>
#include <vector>

#include "exporters/json.h"
#include "netpoll/trace/goroutine.h"

namespace netpoll::exporters {

// A snapshot and what stands around it.
struct SnapshotDocument {
  std::chrono::system_clock::time_point taken_at;
  Json head;  // schema, tool, host, started_at, target, probe, and what the command adds
  trace::GoroutineSnapshot snapshot;
  std::vector<std::uint32_t> shown;  // indices of the goroutines that were asked for, in the order to show them
};

}  // namespace netpoll::exporters
