// Worker: a server or load generator of `run`: this program again, in another process, talking to us in lines
// (cli/workload/protocol.h).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cli/run/crew.h"
#include "cli/workload/protocol.h"
#include "netpoll/result.h"
#include "probes/launch/child.h"
#include "probes/session.h"

namespace netpoll::cli {

// The path of this program, to execute again.
std::string self_exe();

// Not thread-safe. The destructor kills a worker that still lives.
class Worker {
 public:
  // Forks the worker and holds it before its exec, so that session (may be null) can attach.
  static Result<Worker> launch(const WorkerArguments& arguments, probes::Session* session);

  probes::Child& child() { return child_; }
  int report_fd() const { return link_->report.get(); }

  // Closes the control pipe: the worker reports what it has and exits. Idempotent.
  void stop() { link_->control.reset(); }
  // Complete lines that have arrived, without waiting.
  Result<std::vector<std::string>> lines() { return reader_->read(); }
  // Whether the worker closed its report, that is has ended or is about to.
  bool at_end() const { return reader_->at_end(); }

 private:
  Worker(probes::Child child, workload::Link link);

  probes::Child child_;
  std::unique_ptr<workload::Link> link_;
  std::unique_ptr<workload::LineReader> reader_;
};

}  // namespace netpoll::cli
