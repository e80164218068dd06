// TraceSummary: what the events of a stream come to, instead of the events.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>

#include "cli/trace/slowest_waits.h"
#include "cli/workload/histogram.h"
#include "exporters/json_fwd.h"
#include "netpoll/trace/event.h"
#include "netpoll/trace/record.h"
#include "probes/stream.h"

namespace netpoll::cli {

// Memory does not grow with the stream: a histogram for each system call that occurs, and a bounded list of waits. A
// copy goes its own way. One thread at a time.
class TraceSummary {
 public:
  // Every event of the stream, whether it is to be in the figures or not: some say that a descriptor stands for
  // something else from then on.
  void follow(const trace::Record& record);
  // One that is.
  void add(const trace::Record& record);

  std::uint64_t events() const { return events_; }
  // Adds the members network_wait_ns, cpu_wait_ns, steps, syscalls, io_uring, tracepoints, processes and slowest.
  void put(exporters::Json& document) const;

 private:
  // What a record that takes time adds up to.
  struct Calls {
    std::uint64_t count = 0;
    std::uint64_t unfinished = 0;
    std::uint64_t longest_unfinished_ns = 0;
    std::uint64_t before = 0;
    std::uint64_t before_ns = 0;
    std::uint64_t total_ns = 0;
    workload::Histogram duration;
    std::map<int, std::uint64_t> errors;  // by errno

    void add(const trace::Record& record);
    exporters::Json json() const;
  };

  std::uint64_t events_ = 0;
  std::array<std::optional<Calls>, probes::kStreamCallCount> calls_;
  std::map<std::string_view, Calls> uring_;
  std::array<std::uint64_t, trace::kTpCount> tracepoints_{};
  std::map<std::string_view, std::uint64_t> processes_;
  std::map<trace::Step, std::uint64_t> steps_;
  workload::Histogram network_wait_;
  workload::Histogram cpu_wait_;
  SlowestWaits slowest_network_{SlowestWaits::By::kNetwork};
  SlowestWaits slowest_cpu_{SlowestWaits::By::kCpu};
};

}  // namespace netpoll::cli
