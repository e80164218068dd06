// The server process: runs its workload on a Runtime until told to stop, and reports.
#include <variant>

#include "cli/workload/bell.h"
#include "cli/workload/child.h"
#include "cli/workload/line.h"
#include "cli/workload/serve/server.h"
#include "libruntime/base/clock.h"
#include "netpoll/runtime.h"
#include "netpoll/trace/event.h"

namespace netpoll::workload {
namespace {

// How the main thread's wait ended.
enum class End { kStopped, kFinished, kFailed };

// Prints what goroutines post until the control pipe ends, the work is done, or it failed.
End wait_for_end(Server& server, const ChildArgs& child, Bell& bell, int& exit_status) {
  for (;;) {
    const bool stopped = bell.wait(-1);
    for (const ServerMessage& message : server.take_messages()) {
      write_line(child.report_fd, to_line(message));
      if (const auto* failure = std::get_if<Failure>(&message); failure != nullptr) {
        exit_status = failure->exit_status;
        return End::kFailed;
      }
    }
    if (server.finished()) return End::kFinished;
    if (stopped) return End::kStopped;
  }
}

int run_server(const ChildArgs& child) {
  auto bell = Bell::make(child.control_fd);
  if (!bell) return report_failure(child.report_fd, bell.error());
  Server server(child, *bell);
  const std::int64_t begin = base::nanotime();
  int exit_status = 0;
  Runtime runtime(child.plan.runtime);
  runtime.go([&server] { server.plan().workload->serve(server); });
  const End end = wait_for_end(server, child, *bell, exit_status);
  const std::int64_t duration = base::nanotime() - begin;
  runtime.shutdown(Runtime::Shutdown::kCancel);
  if (end == End::kFailed) return exit_status;

  ServerResult result = server.result();
  if (child.plan.workload->driver() == Driver::kLoad || end == End::kStopped) result.duration_ns = duration;
  result.cpu_ns = base::read_clock(CLOCK_PROCESS_CPUTIME_ID);
  const auto counts = runtime.tracepoint_counts();
  for (std::size_t tp = 0; tp < counts.size(); ++tp) {
    result.tracepoints[std::string(trace::tracepoints()[tp].name)] = counts[tp];
  }
  write_line(child.report_fd, to_line(ServerMessage(std::move(result))));
  return 0;
}

}  // namespace

int serve_main(std::span<char*> args) {
  ignore_signals();
  auto child = parse_args(args);
  if (!child) return report_failure(1, child.error());
  if (auto pinned = pin_to_cpu(child->plan.server_cpu); !pinned)
    return report_failure(child->report_fd, pinned.error());
  if (auto raised = raise_descriptor_limit(descriptors_needed(child->plan)); !raised) {
    return report_failure(child->report_fd, raised.error());
  }
  return run_server(*child);
}

}  // namespace netpoll::workload
