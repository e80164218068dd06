// The document of a run: netpoll-trace/run/v1.
#pragma once

#include "cli/options.h"
#include "cli/run/runner.h"
#include "exporters/json_fwd.h"

namespace netpoll::cli {

exporters::Json run_document(const workload::Plan& plan, const RunOutcome& outcome, const EventFilter& filter);

}  // namespace netpoll::cli
