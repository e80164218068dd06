// Messages as JSON lines, and back.
#include "cli/workload/protocol.h"

#include "exporters/json.h"

namespace netpoll::workload {
namespace {

using exporters::Json;

Json encode(const Latency& latency) {
  return {{"count", latency.count}, {"min", latency.min},   {"p50", latency.p50},
          {"p90", latency.p90},     {"p99", latency.p99},   {"p999", latency.p999},
          {"max", latency.max},     {"mean", latency.mean}, {"buckets", latency.buckets}};
}

// Reads member `name` into out; a member that is absent, null or of another type leaves out as it is.
template <typename T>
void take(const Json& json, const char* name, T& out) {
  const auto at = json.find(name);
  if (at == json.end()) return;
  if constexpr (std::is_same_v<T, std::string>) {
    if (at->is_string()) out = at->get<std::string>();
  } else {
    if (at->is_number()) out = at->get<T>();
  }
}

Latency decode_latency(const Json& json) {
  Latency latency;
  take(json, "count", latency.count);
  take(json, "min", latency.min);
  take(json, "p50", latency.p50);
  take(json, "p90", latency.p90);
  take(json, "p99", latency.p99);
  take(json, "p999", latency.p999);
  take(json, "max", latency.max);
  take(json, "mean", latency.mean);
  if (const auto at = json.find("buckets"); at != json.end() && at->is_array()) {
    for (const Json& bucket : *at) {
      if (!bucket.is_array() || bucket.size() != 2 || !bucket[0].is_number() || !bucket[1].is_number()) continue;
      latency.buckets.emplace_back(bucket[0].get<std::int64_t>(), bucket[1].get<std::uint64_t>());
    }
  }
  return latency;
}

Json encode(const Listening& message) {
  return {{"type", "listening"}, {"pid", message.pid}, {"addresses", message.addresses}};
}

Json encode(const ServerResult& r) {
  Json json = {{"type", "result"},
               {"operations", r.operations},
               {"connections", r.connections},
               {"bytes_read", r.bytes_read},
               {"bytes_written", r.bytes_written},
               {"errors", r.errors},
               {"mismatches", r.mismatches},
               {"duration_ns", r.duration_ns},
               {"cpu_ns", r.cpu_ns},
               {"latency_ns", r.latency ? encode(*r.latency) : Json()},
               {"tracepoints", Json::object()},
               {"accepted", r.accepted},
               {"busy_rounds", r.busy_rounds},
               {"first_error", r.first_error}};
  for (const auto& [name, count] : r.tracepoints) json["tracepoints"][name] = count;
  return json;
}

Json encode(const Connected& message) { return {{"type", "connected"}, {"connections", message.connections}}; }

Json encode(const Progress& message) {
  return {{"type", "progress"}, {"operations", message.operations}, {"elapsed_ns", message.elapsed_ns}};
}

Json encode(const LoadResult& r) {
  return {{"type", "result"},
          {"operations", r.operations},
          {"warmup_operations", r.warmup_operations},
          {"connections", r.connections},
          {"bytes_sent", r.bytes_sent},
          {"bytes_received", r.bytes_received},
          {"retransmits", r.retransmits},
          {"duration_ns", r.duration_ns},
          {"requests_per_s", r.requests_per_s},
          {"server_cpu_ns", r.server_cpu_ns ? Json(*r.server_cpu_ns) : Json()},
          {"latency_ns", encode(r.latency)}};
}

Json encode(const Failure& message) {
  return {
      {"type", "failure"}, {"message", message.message}, {"hint", message.hint}, {"exit_status", message.exit_status}};
}

ServerResult decode_server_result(const Json& json) {
  ServerResult r;
  take(json, "operations", r.operations);
  take(json, "connections", r.connections);
  take(json, "bytes_read", r.bytes_read);
  take(json, "bytes_written", r.bytes_written);
  take(json, "errors", r.errors);
  take(json, "mismatches", r.mismatches);
  take(json, "duration_ns", r.duration_ns);
  take(json, "cpu_ns", r.cpu_ns);
  take(json, "busy_rounds", r.busy_rounds);
  take(json, "first_error", r.first_error);
  if (const auto at = json.find("latency_ns"); at != json.end() && at->is_object()) r.latency = decode_latency(*at);
  if (const auto at = json.find("tracepoints"); at != json.end() && at->is_object()) {
    for (const auto& [name, count] : at->items()) {
      if (count.is_number()) r.tracepoints[name] = count.template get<std::uint64_t>();
    }
  }
  if (const auto at = json.find("accepted"); at != json.end() && at->is_array()) {
    for (const Json& count : *at) {
      if (count.is_number()) r.accepted.push_back(count.get<std::uint64_t>());
    }
  }
  return r;
}

LoadResult decode_load_result(const Json& json) {
  LoadResult r;
  take(json, "operations", r.operations);
  take(json, "warmup_operations", r.warmup_operations);
  take(json, "connections", r.connections);
  take(json, "bytes_sent", r.bytes_sent);
  take(json, "bytes_received", r.bytes_received);
  take(json, "retransmits", r.retransmits);
  take(json, "duration_ns", r.duration_ns);
  take(json, "requests_per_s", r.requests_per_s);
  if (const auto at = json.find("server_cpu_ns"); at != json.end() && at->is_number()) {
    r.server_cpu_ns = at->get<std::int64_t>();
  }
  if (const auto at = json.find("latency_ns"); at != json.end() && at->is_object()) r.latency = decode_latency(*at);
  return r;
}

Failure decode_failure(const Json& json) {
  Failure failure;
  take(json, "message", failure.message);
  take(json, "hint", failure.hint);
  take(json, "exit_status", failure.exit_status);
  return failure;
}

Result<Json> parse_object(std::string_view line) {
  Json json = exporters::parse_json(line);
  if (!json.is_object()) {
    return Error(ErrorKind::kProtocol, "not a JSON object: " + std::string(line.substr(0, 120)));
  }
  return json;
}

std::string type_of(const Json& json) {
  std::string type;
  take(json, "type", type);
  return type;
}

}  // namespace

Result<std::optional<ServerMessage>> parse_server_line(std::string_view line) {
  auto json = parse_object(line);
  if (!json) return std::move(json).error();
  const std::string type = type_of(*json);
  if (type == "listening") {
    Listening listening;
    take(*json, "pid", listening.pid);
    if (const auto at = json->find("addresses"); at != json->end() && at->is_array()) {
      for (const Json& address : *at) {
        if (address.is_string()) listening.addresses.push_back(address.get<std::string>());
      }
    }
    return std::optional<ServerMessage>(std::move(listening));
  }
  if (type == "result") return std::optional<ServerMessage>(decode_server_result(*json));
  if (type == "failure") return std::optional<ServerMessage>(decode_failure(*json));
  return std::optional<ServerMessage>();
}

Result<std::optional<LoadMessage>> parse_load_line(std::string_view line) {
  auto json = parse_object(line);
  if (!json) return std::move(json).error();
  const std::string type = type_of(*json);
  if (type == "connected") {
    Connected connected;
    take(*json, "connections", connected.connections);
    return std::optional<LoadMessage>(connected);
  }
  if (type == "progress") {
    Progress progress;
    take(*json, "operations", progress.operations);
    take(*json, "elapsed_ns", progress.elapsed_ns);
    return std::optional<LoadMessage>(progress);
  }
  if (type == "result") return std::optional<LoadMessage>(decode_load_result(*json));
  if (type == "failure") return std::optional<LoadMessage>(decode_failure(*json));
  return std::optional<LoadMessage>();
}

// Text that is not UTF-8 (a socket path) is replaced instead of throwing.
std::string to_line(const ServerMessage& message) {
  return exporters::compact(std::visit([](const auto& m) { return encode(m); }, message));
}

std::string to_line(const LoadMessage& message) {
  return exporters::compact(std::visit([](const auto& m) { return encode(m); }, message));
}

}  // namespace netpoll::workload
