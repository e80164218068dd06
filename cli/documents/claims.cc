// Lays claims and findings out as a document.
#include "cli/documents/claims.h"

#include "cli/documents/envelope.h"
#include "cli/version.h"

namespace netpoll::cli {
namespace {

using exporters::Json;

// Times are of the claim's first step.
Json steps_json(const Evidence& seen) {
  Json steps = Json::array();
  for (const ClaimStep& step : seen.steps) {
    steps.push_back({{"at_ns", step.time_ns - seen.steps.front().time_ns}, {"text", step.text}});
  }
  return steps;
}

}  // namespace

Json claims_document(const std::vector<JudgedClaim>& judged, const ProbeInfo& probe,
                     std::chrono::system_clock::time_point started_at, bool interrupted) {
  Json json = new_document("claims", started_at);
  json["target"] = {{"pid", nullptr},  // each experiment is a process of its own
                    {"comm", std::string(kToolName)},
                    {"exe", nullptr},
                    {"kind", "libruntime"},
                    {"runtime_version", std::string(version())}};
  json["probe"] = probe_json(probe);
  json["interrupted"] = interrupted;
  std::size_t counts[3] = {};
  for (const JudgedClaim& one : judged) ++counts[static_cast<std::size_t>(one.finding.verdict())];
  json["holds"] = counts[static_cast<std::size_t>(ClaimVerdict::kHolds)];
  json["does_not_hold"] = counts[static_cast<std::size_t>(ClaimVerdict::kDoesNotHold)];
  json["cannot_say"] = counts[static_cast<std::size_t>(ClaimVerdict::kCannotSay)];
  json["claims"] = Json::array();
  for (const JudgedClaim& one : judged) {
    json["claims"].push_back({{"name", std::string(one.claim->name)},
                              {"claim", std::string(one.claim->claim)},
                              {"article", std::string(one.claim->article)},
                              {"go", std::string(one.claim->go)},
                              {"experiment", std::string(one.claim->experiment)},
                              {"verdict", std::string(claim_verdict_name(one.finding.verdict()))},
                              {"reason", exporters::text_or_null(one.finding.reason())},
                              {"limits", exporters::text_or_null(one.claim->limits)},
                              {"duration_ns", one.seen.duration_ns},
                              {"figures", one.finding.figures()},
                              {"steps", steps_json(one.seen)},
                              {"steps_left_out", one.seen.steps_left_out}});
  }
  return json;
}

}  // namespace netpoll::cli
