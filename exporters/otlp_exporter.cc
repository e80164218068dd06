// The format otlp: metrics of results and snapshots, and spans of waits of a trace, in OpenTelemetry's protocol as
// JSON: a line for each request that a collector takes (POST /v1/metrics, /v1/traces).
#include <array>
#include <chrono>
#include <cstdio>
#include <map>
#include <string>
#include <string_view>

#include "exporters/formats.h"
#include "exporters/metrics/families.h"
#include "exporters/pages/member.h"
#include "exporters/snapshot_document.h"

namespace netpoll::exporters {
namespace {

// opentelemetry/proto/metrics/v1/metrics.proto, trace/v1/trace.proto. In JSON enums are numbers, ids are hex, and whole
// numbers of 64 bits are text (OTLP specification, "JSON Protobuf Encoding").
constexpr int kCumulative = 2;
constexpr int kInternalSpan = 1;
constexpr std::size_t kSpansPerLine = 512;

Json text_value(const std::string& text) { return {{"stringValue", printable(text)}}; }
Json int_value(std::uint64_t value) { return {{"intValue", std::to_string(value)}}; }

Json attribute(const char* key, Json value) { return {{"key", key}, {"value", std::move(value)}}; }

Json attributes_of(const MetricLabels& labels) {
  Json all = Json::array();
  for (const auto& [name, value] : labels) all.push_back(attribute(name.c_str(), text_value(value)));
  return all;
}

double in_unit(MetricUnit unit, std::uint64_t value) {
  return unit == MetricUnit::kSeconds ? static_cast<double>(value) / 1e9 : static_cast<double>(value);
}

// "netpoll_syscall_duration_seconds" is "netpoll.syscall_duration", whose unit stands beside it.
std::string otlp_name(const MetricFamily& family) {
  std::string name = family.name;
  for (const std::string_view unit : {"_seconds", "_bytes"}) {
    if (family.unit != MetricUnit::kNone && name.ends_with(unit)) name.erase(name.size() - unit.size());
  }
  if (const auto first = name.find('_'); first != std::string::npos) name[first] = '.';
  return name;
}

Json metric_json(const MetricFamily& family, const Json& start, const Json& time) {
  Json points = Json::array();
  for (const MetricSample& sample : family.samples) {
    Json point = {{"attributes", attributes_of(sample.labels)}};
    if (family.type == MetricType::kCounter || family.type == MetricType::kHistogram)
      point["startTimeUnixNano"] = start;
    point["timeUnixNano"] = time;
    if (sample.histogram) {
      point["count"] = std::to_string(sample.histogram->count());
      point["sum"] = in_unit(family.unit, sample.histogram->sum);
      point["bucketCounts"] = Json::array();
      for (const std::uint64_t count : sample.histogram->counts) point["bucketCounts"].push_back(std::to_string(count));
      point["explicitBounds"] = Json::array();
      for (const std::uint64_t bound : sample.histogram->bounds) {
        point["explicitBounds"].push_back(in_unit(family.unit, bound));
      }
    } else if (family.unit == MetricUnit::kSeconds) {
      point["asDouble"] = in_unit(family.unit, sample.value);
    } else {
      point["asInt"] = std::to_string(sample.value);
    }
    points.push_back(std::move(point));
  }
  const char* unit = family.unit == MetricUnit::kSeconds ? "s" : family.unit == MetricUnit::kBytes ? "By" : "1";
  Json metric = {{"name", otlp_name(family)}, {"description", family.help}, {"unit", unit}};
  switch (family.type) {
    case MetricType::kCounter:
      metric["sum"] = {
          {"dataPoints", std::move(points)}, {"aggregationTemporality", kCumulative}, {"isMonotonic", true}};
      break;
    case MetricType::kHistogram:
      metric["histogram"] = {{"dataPoints", std::move(points)}, {"aggregationTemporality", kCumulative}};
      break;
    case MetricType::kGauge:
    case MetricType::kInfo:
      metric["gauge"] = {{"dataPoints", std::move(points)}};
      break;
  }
  return metric;
}

// Whose figures these are, from the head of a document.
Json resource_of(const Json& document) {
  Json attributes = Json::array();
  const Json& comm = at(document, {"target", "comm"});
  const Json& pid = at(document, {"target", "pid"});
  const Json& exe = at(document, {"target", "exe"});
  attributes.push_back(attribute("service.name", text_value(comm.is_string() ? comm.get<std::string>() : "unknown")));
  if (is_count(pid)) attributes.push_back(attribute("process.pid", int_value(pid.get<std::uint64_t>())));
  if (exe.is_string()) {
    const std::string path = exe;
    attributes.push_back(attribute("process.executable.name", text_value(path.substr(path.rfind('/') + 1))));
  }
  return {{"attributes", std::move(attributes)}};
}

Json scope_of(const Json& document) {
  const Json& version = at(document, {"tool", "version"});
  return {{"name", "netpoll-trace"}, {"version", version.is_string() ? version : Json("")}};
}

// RFC 3339 with milliseconds, as timestamp() writes it, in nanoseconds since 1970.
std::uint64_t unix_ns(const Json& started_at) {
  int year = 0;
  unsigned month = 0;
  unsigned day = 0;
  int hours = 0;
  int minutes = 0;
  int seconds = 0;
  int ms = 0;
  if (!started_at.is_string() ||
      std::sscanf(started_at.get_ref<const std::string&>().c_str(), "%4d-%2u-%2uT%2d:%2d:%2d.%3d", &year, &month, &day,
                  &hours, &minutes, &seconds, &ms) != 7) {
    return 0;
  }
  const std::chrono::sys_days date = std::chrono::year(year) / std::chrono::month(month) / std::chrono::day(day);
  const std::chrono::nanoseconds since = date.time_since_epoch() + std::chrono::hours(hours) +
                                         std::chrono::minutes(minutes) + std::chrono::seconds(seconds) +
                                         std::chrono::milliseconds(ms);
  return static_cast<std::uint64_t>(since.count());
}

// An id that is the same whenever the same trace is converted (splitmix64's finalizer).
std::string hex_id(std::uint64_t value) {
  value += 0x9e3779b97f4a7c15;
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9;
  value = (value ^ (value >> 27)) * 0x94d049bb133111eb;
  value ^= value >> 31;
  std::array<char, 17> text;
  (void)std::snprintf(text.data(), text.size(), "%016llx", static_cast<unsigned long long>(value | 1));  // never 0
  return text.data();
}

class OtlpExporter : public Exporter {
 public:
  explicit OtlpExporter(Destination& out) : out_(out) {}

  Result<void> result(const Json& document) override {
    const std::uint64_t start = unix_ns(at(document, {"started_at"}));
    const Json& duration = at(document, {"duration_ns"});
    return metrics(document, result_families(document), start,
                   start + (is_count(duration) ? duration.get<std::uint64_t>() : 0));
  }

  Result<void> snapshot(const SnapshotDocument& document) override {
    const auto since = document.taken_at.time_since_epoch();
    const auto now = static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(since).count());
    return metrics(document.head, snapshot_families({&document.snapshot, 1}), now, now);
  }

  // One span for each wait for the network: from the moment of asking until whoever waited went on; between lies the
  // event ready.
  Result<void> begin(const Json& meta) override {
    meta_ = meta;
    const Json& monotonic = at(meta, {"started_ns"});
    const Json& real = at(meta, {"started_realtime_ns"});
    if (is_count(monotonic) && is_count(real)) offset_ns_ = real.get<std::uint64_t>() - monotonic.get<std::uint64_t>();
    return {};
  }

  Result<void> event(const trace::Record& record) override {
    if (record.step != trace::Step::kRun || !record.network_wait_ns) return {};
    spans_.push_back(span_of(record));
    return spans_.size() < kSpansPerLine ? Result<void>() : write_spans();
  }

  Result<void> lost(const trace::Loss& loss) override {
    lost_ += loss.count;
    return {};
  }

  Result<void> end(const Json& totals) override {
    last_ = Json::array({attribute("netpoll.events.lost", int_value(lost_)),
                         attribute("netpoll.trace.complete", {{"boolValue", !totals.value("cut_short", false)}})});
    return write_spans();
  }

 private:
  Result<void> metrics(const Json& document, const MetricFamilies& families, std::uint64_t start, std::uint64_t end) {
    if (families.empty()) {
      return Error(ErrorKind::kNotSupported, "there are no metrics in this result")
          .with_hint("results of run and stat, snapshots and traces have some; -f json shows everything");
    }
    Json all = Json::array();
    for (const MetricFamily& family : families) {
      all.push_back(metric_json(family, std::to_string(start), std::to_string(end)));
    }
    return out_.write(to_line(
        {{"resourceMetrics", Json::array({{{"resource", resource_of(document)},
                                           {"scopeMetrics", Json::array({{{"scope", scope_of(document)},
                                                                          {"metrics", std::move(all)}}})}}})}}));
  }

  Json span_of(const trace::Record& record) {
    // A call's own time is no wait.
    const std::uint64_t run = record.time_ns - record.least_ns().value_or(0) + offset_ns_;
    const std::uint64_t ready = run - record.cpu_wait_ns.value_or(0);
    const std::uint64_t who = record.goid != 0 ? record.goid : static_cast<std::uint64_t>(record.fd) | 1ULL << 63;
    Json attributes = Json::array({attribute("thread.id", int_value(static_cast<std::uint64_t>(record.tid)))});
    if (record.fd >= 0) attributes.push_back(attribute("netpoll.fd", int_value(static_cast<std::uint64_t>(record.fd))));
    if (record.goid != 0) attributes.push_back(attribute("netpoll.goroutine.id", int_value(record.goid)));
    if (record.endpoint && !record.endpoint->peer.empty()) put_peer(attributes, record.endpoint->peer);
    return {{"traceId", hex_id(static_cast<std::uint64_t>(record.pid)) + hex_id(who)},
            {"spanId", hex_id(++count_)},
            {"name", "wait for the network"},
            {"kind", kInternalSpan},
            {"startTimeUnixNano", std::to_string(ready - *record.network_wait_ns)},
            {"endTimeUnixNano", std::to_string(run)},
            {"attributes", std::move(attributes)},
            {"events", Json::array({{{"timeUnixNano", std::to_string(ready)}, {"name", "ready"}}})}};
  }

  static void put_peer(Json& attributes, const std::string& peer) {
    const auto colon = peer.rfind(':');
    const bool port = colon != std::string::npos && !peer.starts_with("unix:") && colon + 1 < peer.size() &&
                      peer.find_first_not_of("0123456789", colon + 1) == std::string::npos && peer.size() - colon <= 6;
    attributes.push_back(attribute("network.peer.address", text_value(port ? peer.substr(0, colon) : peer)));
    if (port) attributes.push_back(attribute("network.peer.port", int_value(std::stoul(peer.substr(colon + 1)))));
  }

  // The last line says how much is missing, and whether the trace had its end; a file without it was cut off.
  Result<void> write_spans() {
    Json scope = scope_of(meta_);
    if (!last_.is_null()) scope["attributes"] = std::move(last_);
    Json line = {
        {"resourceSpans",
         Json::array({{{"resource", resource_of(meta_)},
                       {"scopeSpans", Json::array({{{"scope", std::move(scope)}, {"spans", std::move(spans_)}}})}}})}};
    spans_ = Json::array();
    return out_.write(to_line(line));
  }

  Destination& out_;
  Json meta_;
  Json spans_ = Json::array();
  std::uint64_t offset_ns_ = 0;
  std::uint64_t count_ = 0;
  std::uint64_t lost_ = 0;
  Json last_;  // attributes of the last line
};

}  // namespace

std::unique_ptr<Exporter> make_otlp(Destination& out, const ExportOptions&) {
  return std::make_unique<OtlpExporter>(out);
}

}  // namespace netpoll::exporters
