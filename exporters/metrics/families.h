// What we have to tell as families of metrics. Nothing here has a label whose values a target could multiply: no goid,
// no descriptor, no peer; system calls, errors, tracepoints, states and reasons of waits come from tables.
#pragma once

#include <array>
#include <map>
#include <span>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "exporters/json_fwd.h"
#include "exporters/metrics/family.h"
#include "netpoll/trace/goroutine.h"
#include "netpoll/trace/record.h"

namespace netpoll::exporters {

using MetricFamilies = std::vector<MetricFamily>;

// "netpoll_build": whose figures these are. version: of the tool, or of libruntime.
MetricFamily build_family(std::string_view version);

// The figures of a document of run or stat; what is null in it is absent. Zeros are there, so that rates work.
MetricFamilies result_families(const Json& document);

// Goroutines of one or several processes, as one: by status, by reason of their wait, the oldest wait for a descriptor,
// waits that nothing bounds, readers whose data is there already.
MetricFamilies snapshot_families(std::span<const trace::GoroutineSnapshot> snapshots);

// A stream of events, summed up.
class EventFamilies : public trace::Sink {
 public:
  EventFamilies();
  void event(const trace::Record& record) override;
  void lost(const trace::Loss& loss) override;

  // Waits for the network and then for a CPU, each as histograms by mode, whose exemplars say which goroutine or
  // descriptor. mode: "read", "write", or "other" for what is not for a descriptor, or of which the start was not seen.
  MetricFamilies waits() const;
  // How many events of each name.
  MetricFamily events() const;
  MetricFamily losses() const;

 private:
  enum class Mode : std::uint8_t { kRead, kWrite, kOther };
  using ByMode = std::array<MetricHistogram, 3>;

  Mode mode_of(const trace::Record& record) const;

  ByMode network_;
  ByMode cpu_;
  // Of goroutines that are parked, by process and goid: the event that lets them run does not say it again.
  std::unordered_map<pid_t, std::unordered_map<std::uint64_t, Mode>> parked_;
  std::map<std::string_view, std::uint64_t> events_;
  std::map<std::string_view, std::uint64_t> lost_;
};

}  // namespace netpoll::exporters
