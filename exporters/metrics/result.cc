// Documents of run and stat as families of metrics.
#include <algorithm>

#include "exporters/json.h"
#include "exporters/metrics/families.h"
#include "exporters/pages/member.h"

namespace netpoll::exporters {
namespace {

// Times come in octaves (latency_log2_ns), so the bounds are powers of two: every second of them, 1 us to 17 s.
constexpr std::size_t kFirstOctave = 10;
constexpr std::size_t kLastOctave = 34;
constexpr std::size_t kOctaveStep = 2;

MetricHistogram histogram_of_octaves(const Json& octaves, std::uint64_t total_ns) {
  std::vector<std::uint64_t> bounds;
  for (std::size_t i = kFirstOctave; i <= kLastOctave; i += kOctaveStep) bounds.push_back(std::uint64_t{1} << i);
  MetricHistogram histogram = MetricHistogram::of(bounds);
  for (std::size_t i = 0; i < octaves.size(); ++i) {
    histogram.observe((std::uint64_t{2} << i) - 1, octaves[i].get<std::uint64_t>());  // the longest that may be in it
  }
  histogram.sum = total_ns;
  return histogram;
}

// events_log2: calls that returned 0, 1, 2..3, 4..7, ... events; the last is open.
MetricHistogram histogram_of_batches(const Json& batches, std::uint64_t events) {
  constexpr std::size_t kBounds = 15;
  std::vector<std::uint64_t> bounds;
  for (std::size_t i = 0; i < kBounds; ++i) bounds.push_back((std::uint64_t{1} << i) - 1);
  MetricHistogram histogram = MetricHistogram::of(bounds);
  for (std::size_t i = 0; i < batches.size(); ++i) {
    histogram.counts.at(std::min(i, kBounds)) += batches[i].get<std::uint64_t>();
  }
  histogram.sum = events;
  return histogram;
}

void add_errors(MetricFamily& family, const std::string& syscall, const Json& row) {
  const Json& errors = at(row, {"errors"});
  if (!errors.is_object()) return;
  if (row.contains("eagain_share") && !errors.contains("EAGAIN")) {
    family.add({{"syscall", syscall}, {"errno", "EAGAIN"}}, 0);
  }
  for (const auto& [name, calls] : errors.items()) {
    if (is_count(calls)) family.add({{"syscall", syscall}, {"errno", name}}, calls.get<std::uint64_t>());
  }
}

void put_syscalls(MetricFamilies& out, const Json& syscalls) {
  MetricFamily calls{"netpoll_syscalls", MetricType::kCounter, MetricUnit::kNone, "System calls entered.", {}};
  MetricFamily errors{
      "netpoll_syscall_errors", MetricType::kCounter, MetricUnit::kNone, "System calls that failed, by error.", {}};
  MetricFamily times{"netpoll_syscall_duration_seconds",
                     MetricType::kHistogram,
                     MetricUnit::kSeconds,
                     "Time in system calls that returned.",
                     {}};
  MetricFamily bytes{
      "netpoll_syscall_bytes", MetricType::kCounter, MetricUnit::kBytes, "Bytes that system calls moved.", {}};
  MetricFamily control{
      "netpoll_epoll_ctl_operations", MetricType::kCounter, MetricUnit::kNone, "Operations of epoll_ctl.", {}};
  for (const auto& [name, row] : syscalls.items()) {
    if (const Json& count = at(row, {"count"}); is_count(count)) {
      calls.add({{"syscall", name}}, count.get<std::uint64_t>());
    }
    add_errors(errors, name, row);
    const Json& octaves = at(row, {"latency_log2_ns"});
    const Json& total = at(row, {"total_ns"});
    if (octaves.is_array() && is_count(total)) {
      times.samples.push_back({{{"syscall", name}}, 0, histogram_of_octaves(octaves, total.get<std::uint64_t>())});
    }
    if (const Json& moved = at(row, {"bytes"}); is_count(moved)) {
      bytes.add({{"syscall", name}}, moved.get<std::uint64_t>());
    }
    if (const Json& ops = at(row, {"ops"}); ops.is_object()) {
      for (const auto& [op, count] : ops.items()) {
        if (is_count(count)) control.add({{"op", op}}, count.get<std::uint64_t>());
      }
    }
  }
  for (MetricFamily* family : {&calls, &errors, &times, &bytes, &control}) {
    if (!family->samples.empty()) out.push_back(std::move(*family));
  }
}

void put_tracepoints(MetricFamilies& out, const Json& tracepoints) {
  MetricFamily events{
      "netpoll_events", MetricType::kCounter, MetricUnit::kNone, "Tracepoints of libruntime passed.", {}};
  for (const auto& [name, row] : tracepoints.items()) {
    if (const Json& count = at(row, {"count"}); is_count(count))
      events.add({{"event", name}}, count.get<std::uint64_t>());
  }
  if (!events.samples.empty()) out.push_back(std::move(events));
}

}  // namespace

MetricFamily build_family(std::string_view version) {
  return MetricFamily{"netpoll_build", MetricType::kInfo, MetricUnit::kNone, "Which version this is.", {}}.add(
      {{"version", std::string(version)}}, 1);
}

MetricFamilies result_families(const Json& document) {
  MetricFamilies out;
  if (const Json& syscalls = at(document, {"syscalls"}); syscalls.is_object()) put_syscalls(out, syscalls);
  const Json& batches = at(document, {"poll", "events_log2"});
  const Json& events = at(document, {"poll", "events"});
  if (batches.is_array() && is_count(events)) {
    MetricFamily family{"netpoll_poll_batch_events",
                        MetricType::kHistogram,
                        MetricUnit::kNone,
                        "Events that a call of epoll_wait returned.",
                        {}};
    family.samples.push_back({{}, 0, histogram_of_batches(batches, events.get<std::uint64_t>())});
    out.push_back(std::move(family));
  }
  if (const Json& tracepoints = at(document, {"tracepoints"}); tracepoints.is_object())
    put_tracepoints(out, tracepoints);
  if (const Json& operations = at(document, {"operations"}); is_count(operations)) {
    out.push_back(MetricFamily{
        "netpoll_operations",
        MetricType::kCounter,
        MetricUnit::kNone,
        "Operations that figures per operation are divided by.",
        {}}.add({}, operations.get<std::uint64_t>()));
  }
  if (const Json& backend = at(document, {"probe", "backend"}); backend.is_string()) {
    out.push_back(
        MetricFamily{"netpoll_probe", MetricType::kInfo, MetricUnit::kNone, "How system calls are counted.", {}}.add(
            {{"backend", backend.get<std::string>()}}, 1));
  }
  if (const Json& lost = at(document, {"probe", "lost"}); is_count(lost)) {
    out.push_back(MetricFamily{
        "netpoll_calls_lost",
        MetricType::kCounter,
        MetricUnit::kNone,
        "Calls and events that escaped the counting.",
        {}}.add({}, lost.get<std::uint64_t>()));
  }
  return out;
}

}  // namespace netpoll::exporters
