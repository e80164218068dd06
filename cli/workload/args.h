// args.h: a plan as command line arguments of __serve and __load, and back. One list of fields serves both directions.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "cli/workload/workload.h"

namespace netpoll::workload {

// What a child is told beside the plan.
struct ChildArgs {
  Plan plan;
  std::vector<std::string> addresses;  // load: where the server listens
  int server_pid = 0;                  // load: whose CPU time to report; 0 none
  int control_fd = -1;                 // -1: stop on nothing but the end of the work
  int report_fd = 1;
  // load: how long nothing may happen while something is expected, before that is a failure.
  std::chrono::nanoseconds patience{30'000'000'000};
};

std::vector<std::string> to_args(const ChildArgs& child);
// kInvalid for an unknown or malformed argument. Numbers are plain: bytes and nanoseconds.
Result<ChildArgs> parse_args(std::span<char*> args);

}  // namespace netpoll::workload
