// The members that every document has: schema, tool, host, started_at, target, probe.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "cli/probe_info.h"
#include "exporters/json_fwd.h"
#include "probes/goroutines/target_info.h"
#include "probes/launch/child_exit.h"

namespace netpoll::cli {

// Who was observed. Unknown members become null.
exporters::Json target_json(const probes::TargetInfo& target);

exporters::Json probe_json(const ProbeInfo& probe);

// How a command of the user ended. Null: it runs, or there is none.
exporters::Json exit_json(const std::optional<probes::ChildExit>& exit);

// A document of kind `kind` ("run") in version 1 with schema, tool, host and started_at; the caller adds the rest.
exporters::Json new_document(std::string_view kind, std::chrono::system_clock::time_point started_at);

}  // namespace netpoll::cli
