// Who waits for whom as JSON.
#include "cli/documents/graph.h"

#include <algorithm>

#include "cli/documents/envelope.h"
#include "exporters/goroutines/names.h"
#include "exporters/json.h"

namespace netpoll::cli {
namespace {

using exporters::Json;
using exporters::or_null;
using exporters::text_or_null;

Json shown_or_hidden(const std::string& text, bool hidden) {
  return hidden && !text.empty() ? Json("(redacted)") : text_or_null(text);
}

Json process_json(const GraphProcess& process, const Redaction& redaction) {
  return {{"pid", process.pid},
          {"comm", shown_or_hidden(process.comm, redaction.peers && !process.asked)},
          {"runtime", text_or_null(process.runtime)},
          {"runtime_version", text_or_null(process.runtime_version)},
          {"asked", process.asked},
          {"error", text_or_null(process.error)}};
}

Json wait_json(const GraphWait& in, const Redaction& redaction) {
  const probes::DescriptorWait& wait = in.wait;
  const trace::PeerWaiter& waiter = wait.waiter;
  const std::string function = redaction.args ? exporters::plain_function(waiter.function) : waiter.function;
  Json json;
  json["pid"] = in.pid;
  json["goid"] = or_null(waiter.goid);
  json["tid"] = or_null(waiter.tid);
  json["state"] = waiter.state;
  json["mode"] = waiter.mode ? Json(*waiter.mode == trace::IoMode::kRead ? "read" : "write") : Json(nullptr);
  json["wait_ns"] = or_null(waiter.wait_ns);
  json["function"] = text_or_null(function);
  json["fd"] = wait.fd;
  json["kind"] = text_or_null(wait.kind);
  json["local"] = shown_or_hidden(wait.local, redaction.peers);
  json["peer"] = shown_or_hidden(wait.peer, redaction.peers);
  json["watches"] = wait.watches;
  return json;
}

}  // namespace

Json graph_document(const WaitGraph& graph, std::chrono::system_clock::time_point taken_at,
                    std::chrono::nanoseconds took, bool followed, const Redaction& redaction) {
  Json json = new_document("graph", taken_at);
  ProbeInfo probe;
  probe.lost = 0;
  probe.overhead_note = "the processes' memory was read while they ran, one after the other; none was stopped";
  json["probe"] = probe_json(probe);
  json["took_ns"] = took.count();
  json["followed"] = followed;
  json["truncated"] = graph.truncated;
  json["processes"] = Json::array();
  for (const GraphProcess& process : graph.processes) json["processes"].push_back(process_json(process, redaction));
  json["waits"] = Json::array();
  for (const GraphWait& wait : graph.waits) json["waits"].push_back(wait_json(wait, redaction));
  json["edges"] = Json::array();
  for (const WaitEdge& edge : graph.edges) {
    json["edges"].push_back({{"wait", edge.from},
                             {"pid", edge.to},
                             {"comm", shown_or_hidden(edge.to_comm, redaction.peers)},
                             {"fd", edge.to_fd},
                             {"answer", answer_name(edge.answer)},
                             {"there", edge.there}});
  }
  json["cycles"] = Json::array();
  for (const WaitCycle& cycle : graph.cycles) {
    Json pids = Json::array();
    for (const std::size_t edge : cycle) pids.push_back(graph.waits[graph.edges[edge].from].pid);
    json["cycles"].push_back({{"pids", std::move(pids)}, {"edges", cycle}});
  }
  return json;
}

}  // namespace netpoll::cli
