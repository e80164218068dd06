// Measurement: counts of a running process, or of a command from its exec to its exit. What `stat` is made of.
#pragma once

#include <bitset>
#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "cli/log.h"
#include "cli/probe_info.h"
#include "cli/system/interrupt.h"
#include "netpoll/result.h"
#include "probes/counts.h"
#include "probes/goroutines/target_info.h"
#include "probes/launch/child.h"

namespace netpoll::cli {

// What lies between two looks at the counts (stat -i).
struct Interval {
  std::chrono::nanoseconds start{0};  // since the measurement began
  std::chrono::nanoseconds duration{0};
  probes::Counts counts;
  std::vector<probes::GroupCounts> groups;  // by MeasurePlan::group_by, those that made a call meanwhile
};

struct Measurement {
  std::chrono::system_clock::time_point started_at;
  std::chrono::nanoseconds duration{0};
  std::vector<probes::TargetInfo> targets;
  ProbeInfo probe;
  probes::Counts counts;                    // of all targets together
  std::vector<probes::GroupCounts> groups;  // by MeasurePlan::group_by
  bool target_ended = false;                // every target, before the time was up
  std::optional<probes::ChildExit> exit;    // of a command
  std::optional<Error> exec_error;          // a command that could not be executed; nothing was counted
};

struct MeasurePlan {
  probes::Backend backend = probes::Backend::kAuto;
  bool follow_forks = false;
  bool latency = true;        // as SourceOptions::latency
  bool kill_on_exit = false;  // a command does not outlive us, nor under ptrace what it has started
  std::optional<std::bitset<probes::kSyscallCount>> syscalls;  // as SourceOptions::syscalls
  std::optional<std::chrono::nanoseconds> duration;            // nothing: until the target ends or somebody interrupts
  std::optional<std::chrono::nanoseconds> interval;
  std::vector<std::string> cgroups;  // directories, as SourceOptions::cgroups
  probes::GroupBy group_by = probes::GroupBy::kNothing;
  bool best_effort = false;  // as SourceOptions::best_effort
  // A standard stream that the figures go to. A measurement of running processes ends when nobody reads it any more.
  std::optional<int> output;
  // so_far: what is known of the measurement as a whole; its counts are older. False: nobody reads any more, which ends
  // a measurement of running processes; a command is none the wiser.
  std::function<bool(const Interval&, const Measurement& so_far)> on_interval;
  // Somebody sent SIGUSR1: the figures so far.
  std::function<void(const Measurement& so_far)> on_nudge;
};

// Attaches to every pid, or to plan.cgroups, counts, and leaves them as they were. An interrupt ends the measurement
// and is no error; nor is a target that ends meanwhile.
Result<Measurement> measure_processes(const std::vector<pid_t>& pids, const MeasurePlan& plan, Interrupt& interrupt,
                                      Log& log);

// Runs program, held until the probes are attached, and counts until it ends, or for plan.duration. After that time, or
// when somebody interrupts us, it is asked to end; one that does not is left running, and Measurement::exit is nothing.
// It has its caller's signals and terminal, and lives on should we be killed (MeasurePlan::kill_on_exit). A command
// that cannot be executed is reported in Measurement::exec_error.
Result<Measurement> measure_program(const std::vector<std::string>& program, const MeasurePlan& plan,
                                    Interrupt& interrupt, Log& log);

}  // namespace netpoll::cli
