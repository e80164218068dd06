// run_plan: the choreography of `run`. Starts the server under the probes and the load generator beside it, waits for
// both, and brings home what they and the probes have to say.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "cli/log.h"
#include "cli/probe_info.h"
#include "cli/system/interrupt.h"
#include "cli/workload/protocol.h"
#include "cli/workload/workload.h"
#include "netpoll/result.h"
#include "probes/counts.h"
#include "probes/goroutines/target_info.h"

namespace netpoll::cli {

// What a run brought. Whatever an interrupted run did not come to is absent.
struct RunOutcome {
  std::chrono::system_clock::time_point started_at;
  probes::TargetInfo target;
  std::vector<std::string> addresses;
  ProbeInfo probe;
  probes::Counts counts;
  std::optional<workload::ServerResult> server;
  std::optional<workload::LoadResult> load;
  bool interrupted = false;
};

// How long a worker may take for what needs no time. A machine under heavy load is slow, not broken.
inline constexpr std::chrono::seconds kPatience{60};
// After Ctrl-C people wait less gladly.
inline constexpr std::chrono::seconds kPatienceAfterInterrupt{10};

// Runs a plan. Every process it started has ended when it returns, also on failure. An interrupt ends the run early and
// is not an error. Fails when a process cannot be started, the probes cannot be attached, the server or the load
// generator reports a failure (a wrong byte, a port in use) or dies.
Result<RunOutcome> run_plan(const workload::Plan& plan, probes::Backend backend, Interrupt& interrupt, Log& log);

}  // namespace netpoll::cli
