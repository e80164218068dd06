// Observation: processes as seen for as long as `serve` runs, and what is known of them as families of metrics.
#pragma once

#include <sys/types.h>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/log.h"
#include "exporters/metrics/families.h"
#include "netpoll/result.h"
#include "probes/goroutines/reader.h"
#include "probes/process/cgroups.h"
#include "probes/process/watch.h"
#include "probes/session.h"
#include "probes/stream.h"

namespace netpoll::cli {

// Whom to observe, and how closely.
struct Selection {
  std::vector<pid_t> pids;
  std::string comm;  // those of this name, now and later; there need be none yet
  std::vector<probes::Cgroup> cgroups;
  bool follow_forks = false;
  probes::Backend backend = probes::Backend::kAuto;  // kAuto: eBPF or nothing, since the others cost a server too much
  bool waits = true;                                 // stream events, for the histograms of waits
};

// Processes may come, end and come back: counters go on, and only the gauge netpoll_up says so. What cannot be seen
// here is left out, and netpoll_source_up says that. One thread makes all calls.
class Observation {
 public:
  Observation(Selection selection, Log& log);

  // Attaches to whoever is there. An error only where a back end was asked for by name and cannot be used.
  Result<void> start();
  // Lets the probes work until timeout_ms passed or stop_fd became readable.
  void wait(int timeout_ms, int stop_fd);
  // Everything as of now.
  exporters::MetricFamilies collect();

 private:
  // A living process, and who reads its goroutines, where somebody can.
  struct Process {
    probes::ProcessWatch watch;
    std::unique_ptr<probes::Subject> subject;
    std::unique_ptr<probes::Reader> reader;
    bool looked = false;  // for a reader
  };

  std::vector<pid_t> find() const;
  void refresh();
  bool by_cgroup() const { return !selection_.cgroups.empty(); }
  std::vector<probes::Target> targets() const;
  std::vector<std::string> cgroup_paths() const;
  void drop_ended();
  Result<void> attach(const std::function<Result<void>()>& to_all);
  Result<void> start_counting();
  void stop_counting();
  void time_waits();
  Result<void> start_streaming();
  void stop_streaming();
  void drain();
  exporters::MetricFamily up() const;
  exporters::MetricFamily sources(bool goroutines) const;
  exporters::MetricFamilies counted();
  std::vector<trace::GoroutineSnapshot> snapshots();
  void say_once(const std::string& what, const Error& error);

  Selection selection_;
  Log& log_;
  std::map<pid_t, probes::ProcessWatch> named_;  // selection_.pids: a number that is used again is somebody else
  std::map<pid_t, Process> processes_;
  std::optional<probes::Session> session_;
  std::optional<probes::Counts> before_;  // by earlier sessions
  probes::Backend counted_by_ = probes::Backend::kNone;
  std::unique_ptr<probes::StreamSource> stream_;
  exporters::EventFamilies events_;
  std::vector<std::string> said_;
};

}  // namespace netpoll::cli
