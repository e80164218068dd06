// The members that every document has: schema, tool, host, started_at, target, probe.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/log.h"
#include "exporters/json.h"
#include "probes/goroutines/target_info.h"
#include "probes/launch/child.h"
#include "probes/session.h"

namespace netpoll::cli {

// Who was observed. Unknown members become null.
exporters::Json target_json(const probes::TargetInfo& target);

// How it was observed.
struct ProbeInfo {
  probes::Backend backend = probes::Backend::kNone;
  std::optional<std::uint64_t> lost;
  std::string overhead_note;
  std::vector<std::string> notes;        // what the counts do not contain, and why, one sentence each
  std::vector<std::string> passed_over;  // back ends that --backend auto could not use, with the reason
};
exporters::Json probe_json(const ProbeInfo& probe);
// What is known of a session before anything is attached; the user is told which back ends could not be used.
ProbeInfo probe_info(const probes::Session& session, Log& log);

// How a command of the user ended. Null: it runs, or there is none.
exporters::Json exit_json(const std::optional<probes::ChildExit>& exit);

// A document of kind `kind` ("run") in version 1 with schema, tool, host and started_at; the caller adds the rest.
exporters::Json new_document(std::string_view kind, std::chrono::system_clock::time_point started_at);

}  // namespace netpoll::cli
