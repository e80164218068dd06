// The format pprof: a gzipped profile for go tool pprof, and whatever else reads such profiles. Of a trace, whose
// events have no stacks, its waits by program, labels and peer.
#include <algorithm>
#include <chrono>
#include <string>

#include "exporters/events/timeline.h"
#include "exporters/events/wait_stacks.h"
#include "exporters/formats.h"
#include "exporters/goroutines/pprof.h"
#include "exporters/snapshot_document.h"

namespace netpoll::exporters {
namespace {

// The executable, or the name of the process.
std::string program_of(const Json& head) {
  const Json target = head.contains("target") ? head.at("target") : Json();
  if (!target.is_object()) return "unknown";
  for (const char* name : {"exe", "comm"}) {
    if (target.contains(name) && target.at(name).is_string()) return target.at(name).get<std::string>();
  }
  return "unknown";
}

class PprofExporter : public Exporter {
 public:
  PprofExporter(Destination& out, const ExportOptions& options) : out_(out), options_(options) {}

  Result<void> snapshot(const SnapshotDocument& document) override {
    const PprofOptions options{.program = program_of(document.head),
                               .taken_at = document.taken_at,
                               .everything = options_.everything,
                               .per_goroutine = options_.per_goroutine};
    return out_.write(gzipped(pprof_profile(document.snapshot, document.shown, options)));
  }

  Result<void> begin(const Json& meta) override {
    waits_.begin(meta);
    program_ = program_of(meta);
    started_ns_ = last_ns_ = figure_of(meta, "started_ns");
    trace_.started_at = std::chrono::system_clock::time_point(std::chrono::duration_cast<Clock::duration>(
        std::chrono::nanoseconds(static_cast<std::int64_t>(figure_of(meta, "started_realtime_ns")))));
    return {};
  }
  Result<void> event(const trace::Record& record) override {
    last_ns_ = std::max(last_ns_, record.time_ns);
    waits_.add(record);
    return {};
  }
  Result<void> lost(const trace::Loss&) override { return {}; }
  Result<void> end(const Json& totals) override {
    trace_.duration = std::chrono::nanoseconds(static_cast<std::int64_t>(last_ns_ - started_ns_));
    trace_.comments.push_back(std::to_string(figure_of(totals, "lost")) + " events lost");
    if (totals.value("cut_short", false)) trace_.comments.emplace_back("cut short: the trace has no end line");
    return out_.write(gzipped(pprof_profile(waits_, program_, trace_)));
  }

 private:
  using Clock = std::chrono::system_clock;

  Destination& out_;
  ExportOptions options_;
  WaitStacks waits_;
  std::string program_;
  PprofTrace trace_;
  std::uint64_t started_ns_ = 0;
  std::uint64_t last_ns_ = 0;
};

}  // namespace

std::unique_ptr<Exporter> make_pprof(Destination& out, const ExportOptions& options) {
  return std::make_unique<PprofExporter>(out, options);
}

}  // namespace netpoll::exporters
