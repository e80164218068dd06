// The load generator process: opens its session and runs the load of its workload.
#include "cli/workload/args.h"
#include "cli/workload/child.h"
#include "cli/workload/load/session.h"
#include "cli/workload/workload.h"

namespace netpoll::workload {
namespace {

Result<LoadResult> run_load(const ChildArgs& child) {
  const Plan& plan = child.plan;
  if (plan.workload->load == nullptr) {
    return Error(ErrorKind::kInvalid, "workload " + std::string(plan.workload->name) + " has no load generator");
  }
  if (auto pinned = pin_to_cpu(plan.load_cpu); !pinned) return std::move(pinned).error();
  if (auto raised = raise_descriptor_limit(plan.conns + 16); !raised) return std::move(raised).error();
  auto session = Session::open(child);
  if (!session) return std::move(session).error();
  return plan.workload->load(*session);
}

}  // namespace

int load_main(std::span<char*> args) {
  ignore_signals();
  auto child = parse_args(args);
  if (!child) return report_failure(1, child.error());
  auto result = run_load(*child);
  if (!result) return report_failure(child->report_fd, result.error());
  write_line(child->report_fd, to_line(LoadMessage(std::move(*result))));
  return 0;
}

}  // namespace netpoll::workload
