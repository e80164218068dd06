// The load generator process: runs its load and reports what came of it.
#include <utility>

#include "cli/workload/args.h"
#include "cli/workload/child.h"
#include "cli/workload/line.h"
#include "cli/workload/load/loads.h"
#include "cli/workload/protocol.h"
#include "cli/workload/workload.h"

namespace netpoll::workload {

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
