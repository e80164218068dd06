// The failure report of a worker process.
#include "cli/workload/child.h"

#include "cli/workload/line.h"
#include "cli/workload/protocol.h"

namespace netpoll::workload {

int report_failure(int report_fd, const Error& error) {
  const Failure failure{
      .message = error.message(), .hint = error.hint(), .exit_status = error.is(ErrorKind::kInvalid) ? 2 : 3};
  write_line(report_fd, to_line(LoadMessage(failure)));
  return failure.exit_status;
}

}  // namespace netpoll::workload
