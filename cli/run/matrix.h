// The matrix of `run`: one workload under several designs of the runtime, measured in turn, so that what the machine
// does meanwhile meets all of them alike.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "cli/log.h"
#include "cli/run/runner.h"
#include "cli/system/interrupt.h"
#include "cli/workload/workload.h"
#include "exporters/json.h"
#include "netpoll/result.h"
#include "probes/source.h"

namespace netpoll::cli {

// The designs that were asked for, as typed: "thread,inline". Empty: the default alone.
struct Designs {
  std::string poll_modes;
  std::string triggers;
  std::string pollers;
};

// A plan for each combination, in the order of the lists; poll mode changes slowest. Fails with kInvalid on a name that
// make_plan does not know, one that stands twice, or an empty one.
Result<std::vector<workload::Plan>> plans_of(const workload::Request& request, const Designs& designs);

// "hybrid-edge-epoll"
std::string design_name(const workload::Plan& plan);

// The documents of the runs of one design, in the order of the rounds.
struct Cell {
  workload::Plan plan;
  std::vector<exporters::Json> samples;
};

// What becomes of the outcome of a run.
using RunDocument = std::function<exporters::Json(const workload::Plan& plan, const RunOutcome& outcome)>;

// Runs every plan once a round. The order turns by one each round, so that none is always first. An interrupt ends it
// with what there is: the runs that were complete, of plans that have one. Fails as run_plan does.
Result<std::vector<Cell>> run_rounds(const std::vector<workload::Plan>& plans, std::uint64_t rounds,
                                     probes::Backend backend, const RunDocument& document, Interrupt& interrupt,
                                     Log& log);

}  // namespace netpoll::cli
