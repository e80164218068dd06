// Adds events up.
#include "cli/trace/trace_summary.h"

#include <algorithm>
#include <string>
#include <vector>

#include "exporters/json.h"
#include "exporters/text.h"

namespace netpoll::cli {
namespace {

using exporters::Json;
using workload::Histogram;

void add_time(Histogram& histogram, std::uint64_t ns) { histogram.add(static_cast<std::int64_t>(ns)); }

// Null where there was nothing.
Json times_json(const Histogram& histogram) {
  if (histogram.count() == 0) return nullptr;
  return {{"count", histogram.count()},
          {"p50", histogram.quantile(0.5)},
          {"p90", histogram.quantile(0.9)},
          {"p99", histogram.quantile(0.99)},
          {"max", histogram.max()}};
}

}  // namespace

void TraceSummary::Calls::add(const trace::Record& record) {
  ++count;
  if (!record.duration_ns) ++before;
  if (record.before_ns) before_ns += *record.before_ns;
  if (record.unfinished) {
    ++unfinished;
    longest_unfinished_ns = std::max(longest_unfinished_ns, record.least_ns().value_or(0));
  } else if (record.duration_ns) {
    total_ns += *record.duration_ns;
    add_time(duration, *record.duration_ns);
  }
  if (record.result && *record.result < 0) ++errors[static_cast<int>(-*record.result)];
}

Json TraceSummary::Calls::json() const {
  Json by_name = Json::object();
  for (const auto& [number, times] : errors) by_name[exporters::errno_name(number)] = times;
  return {{"count", count},
          {"unfinished", unfinished},
          {"longest_unfinished_ns", unfinished != 0 ? Json(longest_unfinished_ns) : Json(nullptr)},
          {"before", before},
          {"before_ns", before_ns},
          {"errors", std::move(by_name)},
          {"total_ns", total_ns},
          {"duration_ns", times_json(duration)}};
}

void TraceSummary::follow(const trace::Record& record) {
  if (record.kind == trace::RecordKind::kProcess && record.name != "fork") {
    slowest_network_.forget(record.pid);
    slowest_cpu_.forget(record.pid);
  }
  if (record.step != trace::Step::kClose && record.step != trace::Step::kRegister) return;
  slowest_network_.forget(record.pid, record.fd);
  slowest_cpu_.forget(record.pid, record.fd);
}

void TraceSummary::add(const trace::Record& record) {
  ++events_;
  switch (record.kind) {
    case trace::RecordKind::kCall: {
      auto& place = calls_.at(record.row);
      if (!place) place = Calls{};
      place->add(record);
      break;
    }
    case trace::RecordKind::kTracepoint:
      ++tracepoints_.at(record.row);
      break;
    case trace::RecordKind::kUring:
      uring_[record.name].add(record);
      break;
    case trace::RecordKind::kProcess:
      ++processes_[record.name];
      break;
  }
  if (record.step != trace::Step::kNone) ++steps_[record.step];
  if (record.step != trace::Step::kRun) return;
  if (record.network_wait_ns) add_time(network_wait_, *record.network_wait_ns);
  if (record.cpu_wait_ns) add_time(cpu_wait_, *record.cpu_wait_ns);
  slowest_network_.add(record);
  slowest_cpu_.add(record);
}

void TraceSummary::put(Json& document) const {
  document["network_wait_ns"] = times_json(network_wait_);
  document["cpu_wait_ns"] = times_json(cpu_wait_);
  Json& steps = document["steps"] = Json::object();
  for (const trace::Step step :
       {trace::Step::kRegister, trace::Step::kPark, trace::Step::kReady, trace::Step::kRun, trace::Step::kClose}) {
    const auto found = steps_.find(step);
    steps[std::string(trace::step_name(step))] = found != steps_.end() ? found->second : 0;
  }
  Json& syscalls = document["syscalls"] = Json::object();
  for (std::size_t row = 0; row < calls_.size(); ++row) {
    if (!calls_[row]) continue;
    syscalls[std::string(probes::stream_calls().at(row).name)] = calls_[row]->json();
  }
  Json& uring = document["io_uring"] = Json::object();
  for (const auto& [name, operations] : uring_) uring[std::string(name)] = operations.json();
  Json& tracepoints = document["tracepoints"] = Json::object();
  for (std::size_t row = 0; row < tracepoints_.size(); ++row) {
    if (tracepoints_[row] != 0) tracepoints[std::string(trace::tracepoints().at(row).name)] = tracepoints_[row];
  }
  Json& processes = document["processes"] = Json::object();
  for (const auto& [name, count] : processes_) processes[std::string(name)] = count;
  document["slowest"] = {{"cpu_wait", slowest_cpu_.json()}, {"network_wait", slowest_network_.json()}};
}

}  // namespace netpoll::cli
