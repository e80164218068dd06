// The failure report of a worker process, written and understood.
#include "cli/workload/child.h"

#include "cli/workload/line.h"
#include "cli/workload/protocol.h"

namespace netpoll::workload {
namespace {

constexpr int kExitWrongUsage = 2;
constexpr int kExitFailed = 3;

}  // namespace

int report_failure(int report_fd, const Error& error) {
  const Failure failure{.message = error.message(),
                        .hint = error.hint(),
                        .exit_status = error.is(ErrorKind::kInvalid) ? kExitWrongUsage : kExitFailed};
  write_line(report_fd, to_line(LoadMessage(failure)));
  return failure.exit_status;
}

Error error_of(const Failure& failure) {
  return Error(failure.exit_status == kExitWrongUsage ? ErrorKind::kInvalid : ErrorKind::kSystem, failure.message)
      .with_hint(failure.hint);
}

}  // namespace netpoll::workload
