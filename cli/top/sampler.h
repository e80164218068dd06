// Sampler: looks at processes again and again, and says what changed in between.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/top/sample.h"
#include "netpoll/result.h"
#include "probes/goroutines/reader.h"
#include "probes/process/watch.h"

namespace netpoll::cli {

struct TopTargets {
  std::vector<pid_t> pids;
  std::string comm;                                  // those of this name, now and later
  probes::Backend backend = probes::Backend::kAuto;  // kAuto: eBPF or nothing, since the others cost a server too much
};

// Processes may come (comm) and end. One thread makes all calls.
class Sampler {
 public:
  explicit Sampler(TopTargets targets) : targets_(std::move(targets)) {}

  // kNotFound: one of the pids is gone. Fails also where a back end was asked for by name and cannot be used; else the
  // samples say why calls are not counted.
  Result<void> start();
  TopSample take(TopDepth depth);
  // Nobody is left to look at, and nobody will come.
  bool over() const { return processes_.empty() && targets_.comm.empty(); }

 private:
  using Clock = std::chrono::steady_clock;
  // What the look before saw of it, to compare with.
  struct Before {
    Clock::time_point at;
    std::map<pid_t, probes::ThreadStatus> threads;
  };
  struct Process {
    probes::ProcessWatch watch;
    probes::TargetInfo target;
    std::unique_ptr<probes::Subject> subject;
    std::unique_ptr<probes::Reader> reader;  // null: no runtime that can be read
    bool looked = false;                     // for a reader
    std::string why_not;                     // it has a runtime, but cannot be read
    std::optional<Before> before;
  };

  void refresh(TopSample& sample);
  void add(pid_t pid);
  void look_for_reader(Process& process);
  Result<void> start_counting();
  void read_counts(TopSample& sample);
  ProcessSample look_at(pid_t pid, Process& process, TopSample& sample);
  void read_goroutines(Process& process, ProcessSample& seen, TopSample& sample);
  void read_registrations(pid_t pid, const Process& process, ProcessSample& seen, TopSample& sample);

  TopTargets targets_;
  std::map<pid_t, Process> processes_;
  std::unique_ptr<probes::Source> source_;
  probes::CountsByTarget counts_;  // at the look before
  Clock::time_point counted_at_;
  std::string not_counted_;  // why; empty: they are, or nobody asked
  std::uint64_t looks_ = 0;
};

}  // namespace netpoll::cli
