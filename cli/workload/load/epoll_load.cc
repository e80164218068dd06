// The load generator on Linux: opens its session, an epoll loop, and runs the load of its workload.
#include "cli/workload/args.h"
#include "cli/workload/child.h"
#include "cli/workload/load/loads.h"
#include "cli/workload/load/session.h"
#include "cli/workload/workload.h"

namespace netpoll::workload {

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

}  // namespace netpoll::workload
