// Puts the document of a run together from plan, outcome and counts.
#include "cli/documents/run.h"

#include <cmath>

#include "cli/documents/counts_json.h"
#include "exporters/json.h"
#include "libruntime/base/system.h"

namespace netpoll::cli {
namespace {

using exporters::Json;
using workload::Latency;
using workload::Plan;

// The number of Ps that --procs 0 means: the CPUs the server may use.
int procs_of(const Plan& plan) {
  if (plan.runtime.procs > 0) return plan.runtime.procs;
  if (plan.server_cpu) return 1;
  return base::usable_cpus();
}

// What was asked for. Two runs are comparable when these members are equal.
Json workload_json(const Plan& plan) {
  const auto has = [&](workload::Option option) { return (plan.workload->options & option) != 0; };
  const auto bound = [](std::uint64_t value) { return value > 0 ? Json(value) : Json(nullptr); };
  Json json;
  json["name"] = std::string(plan.workload->name);
  json["conns"] = plan.conns;
  json["ops"] = bound(plan.ops);
  json["duration_limit_ns"] = bound(static_cast<std::uint64_t>(plan.duration.count()));
  json["message_bytes"] = plan.size;
  json["poll_mode"] = std::string(poll_mode_name(plan.runtime.poll_mode));
  json["trigger"] = std::string(trigger_name(plan.runtime.trigger));
  json["poller"] = std::string(poller_name(plan.runtime.poller));
  json["procs"] = procs_of(plan);
  json["stack_bytes"] = plan.runtime.stack_size;
  if (has(workload::kWarmup)) json["warmup"] = plan.warmup;
  if (has(workload::kDepth)) json["depth"] = plan.depth;
  if (has(workload::kListeners)) json["listeners"] = plan.listeners;
  if (has(workload::kBusy)) json["busy"] = plan.busy;
  if (has(workload::kBuffer)) json["buffer_bytes"] = plan.buffer;
  if (has(workload::kHold)) json["hold"] = plan.hold;
  if (has(workload::kRest)) json["rest"] = plan.rest;
  if (has(workload::kTimeout)) json["timeout_ns"] = plan.timeout.count();
  if (has(workload::kPause)) json["pause_ns"] = plan.pause.count();
  json["serve_only"] = plan.serve_only;
  return json;
}

Json latency_json(const Latency* latency) {
  if (latency == nullptr || latency->count == 0) return nullptr;
  return {{"p50", latency->p50}, {"p90", latency->p90},   {"p99", latency->p99}, {"p999", latency->p999},
          {"max", latency->max}, {"mean", latency->mean}, {"min", latency->min}};
}

Json server_json(const workload::ServerResult& server) {
  Json json;
  json["operations"] = server.operations;
  json["connections"] = server.connections;
  json["bytes_read"] = server.bytes_read;
  json["bytes_written"] = server.bytes_written;
  json["errors"] = server.errors;
  json["mismatches"] = server.mismatches;
  json["duration_ns"] = server.duration_ns;
  json["cpu_ns"] = server.cpu_ns;
  json["first_error"] = server.first_error.empty() ? Json(nullptr) : Json(server.first_error);
  json["accepted"] = server.accepted;
  return json;
}

Json load_json(const workload::LoadResult& load) {
  Json json;
  json["connections"] = load.connections;
  json["warmup_operations"] = load.warmup_operations;
  json["bytes_sent"] = load.bytes_sent;
  json["bytes_received"] = load.bytes_received;
  json["retransmits"] = load.retransmits;
  json["server_cpu_ns"] = exporters::or_null(load.server_cpu_ns);
  return json;
}

Json rate(std::uint64_t operations, std::int64_t duration_ns) {
  if (duration_ns <= 0) return nullptr;
  return std::round(static_cast<double>(operations) * 1e12 / static_cast<double>(duration_ns)) / 1e3;
}

}  // namespace

Json run_document(const Plan& plan, const RunOutcome& outcome, const EventFilter& filter) {
  Json json = new_document("run", outcome.started_at);
  json["target"] = target_json(outcome.target);
  json["probe"] = probe_json(outcome.probe);
  json["workload"] = workload_json(plan);
  json["interrupted"] = outcome.interrupted;

  // Operations are the load generator's, which checked every answer; a server on its own counts for itself. The probes
  // saw the warm-up as well, so figures per operation are divided by all of them.
  std::optional<std::uint64_t> operations;
  std::optional<std::uint64_t> all;
  const Latency* latency = nullptr;
  std::int64_t duration_ns = 0;
  if (outcome.load) {
    operations = outcome.load->operations;
    all = outcome.load->operations + outcome.load->warmup_operations;
    latency = &outcome.load->latency;
    duration_ns = outcome.load->duration_ns;
  } else if (outcome.server) {
    operations = all = outcome.server->operations;
    if (outcome.server->latency) latency = &*outcome.server->latency;
    duration_ns = outcome.server->duration_ns;
  }
  json["operations"] = exporters::or_null(operations);
  json["duration_ns"] = operations ? Json(duration_ns) : Json(nullptr);
  json["operations_per_s"] = operations ? rate(*operations, duration_ns) : Json(nullptr);
  json["latency_ns"] = latency_json(latency);
  put_counts(json, outcome.counts, outcome.probe.backend, all, std::nullopt, filter);
  json["server"] = outcome.server ? server_json(*outcome.server) : Json(nullptr);
  json["load"] = outcome.load ? load_json(*outcome.load) : Json(nullptr);
  return json;
}

}  // namespace netpoll::cli
