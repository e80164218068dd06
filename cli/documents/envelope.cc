// Fills in what stands around every document.
#include "cli/documents/envelope.h"

#include "cli/system/host.h"
#include "cli/version.h"
#include "exporters/json.h"

namespace netpoll::cli {
namespace {

using exporters::Json;
using exporters::text_or_null;

}  // namespace

Json target_json(const probes::TargetInfo& target) {
  Json json;
  json["pid"] = target.pid > 0 ? Json(target.pid) : Json(nullptr);
  json["ns_pid"] = exporters::or_null(target.ns_pid);
  json["comm"] = exporters::or_null(target.comm);
  json["exe"] = exporters::or_null(target.exe);
  json["kind"] = target.kind ? Json(std::string(*target.kind)) : Json(nullptr);
  json["runtime_version"] = exporters::or_null(target.runtime_version);
  return json;
}

Json probe_json(const ProbeInfo& probe) {
  Json json;
  json["backend"] = std::string(probes::backend_name(probe.backend));
  json["lost"] = exporters::or_null(probe.lost);
  json["overhead_note"] = text_or_null(probe.overhead_note);
  json["notes"] = probe.notes;
  json["passed_over"] = probe.passed_over;
  return json;
}

Json exit_json(const std::optional<probes::ChildExit>& exit) {
  if (!exit) return nullptr;
  return {{"code", exit->signal == 0 ? Json(exit->code) : Json(nullptr)},
          {"signal", exit->signal != 0 ? Json(exit->signal) : Json(nullptr)}};
}

Json new_document(std::string_view kind, std::chrono::system_clock::time_point started_at) {
  const Host host = this_host();
  Json json;
  json["schema"] = "netpoll-trace/" + std::string(kind) + "/v1";
  json["tool"] = {{"name", std::string(kToolName)}, {"version", std::string(version())}};
  json["host"] = {{"kernel", host.kernel}, {"arch", host.arch}, {"cpus", host.cpus}};
  json["started_at"] = exporters::timestamp(started_at);
  return json;
}

}  // namespace netpoll::cli
