// child.h: what the two hidden subcommands have in common at their start and at their failure.
#pragma once

#include <optional>

#include "netpoll/result.h"

namespace netpoll::workload {

// Ignores SIGINT, SIGTERM and SIGPIPE: the end of the control pipe stops a child, so that after Ctrl-C, which reaches
// the whole process group, the result so far still comes.
void ignore_signals();

// Pins the calling process (and the threads it will start) to cpu, if one is given.
Result<void> pin_to_cpu(const std::optional<int>& cpu);

// Writes error as a Failure line to report_fd; returns the exit status: 2 for kInvalid, else 3.
int report_failure(int report_fd, const Error& error);

}  // namespace netpoll::workload
