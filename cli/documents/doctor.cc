// Puts the document of doctor together, and tries libruntime's own back ends.
#include "cli/documents/doctor.h"

#include <chrono>
#include <utility>

#include "cli/documents/envelope.h"
#include "exporters/json.h"
#include "netpoll/runtime.h"

namespace netpoll::cli {
namespace {

using exporters::Json;
using exporters::text_or_null;
using probes::Feature;

Json features_json(const std::vector<Feature>& features) {
  Json json = Json::array();
  for (const Feature& feature : features) {
    json.push_back({{"name", feature.name},
                    {"ok", feature.ok},
                    {"wanted", feature.wanted},
                    {"purpose", feature.purpose},
                    {"detail", text_or_null(feature.detail)},
                    {"why_not", text_or_null(feature.why_not)},
                    {"fix", text_or_null(feature.fix)}});
  }
  return json;
}

}  // namespace

Json doctor_document(const DoctorFindings& findings) {
  Json json = new_document("doctor", std::chrono::system_clock::now());
  json["target"] = findings.target ? target_json(*findings.target) : Json(nullptr);
  json["probe"] = nullptr;
  json["backend"] = text_or_null(findings.backend);
  json["command_backend"] = text_or_null(findings.command_backend);
  json["machine"] = features_json(findings.machine);
  json["target_features"] = findings.target_features ? features_json(*findings.target_features) : Json(nullptr);
  return json;
}

void add_pollers(std::vector<Feature>& machine) {
  for (const PollerKind kind : available_pollers()) {
    if (kind == available_pollers().front()) continue;
    const std::string name(poller_name(kind));
    Feature feature{.name = "poller_" + name, .purpose = "run --poller " + name, .wanted = false};
    if (const auto works = try_poller(kind); works) {
      feature.ok = true;
    } else {
      feature.why_not = works.error().message();
      if (!works.error().hint().empty()) feature.why_not += "; " + works.error().hint();
    }
    machine.push_back(std::move(feature));
  }
}

}  // namespace netpoll::cli
