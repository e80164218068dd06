// Puts the document of a comparison together.
#include "cli/documents/compare.h"

#include <chrono>

#include "cli/documents/envelope.h"

namespace netpoll::cli {
namespace {

using exporters::Json;

Json number_or_null(const std::optional<double>& value) { return value ? number_json(*value) : Json(nullptr); }

Json set_json(const ResultSet& set) {
  Json json;
  json["file"] = set.name;
  json["files"] = set.files;
  json["runs"] = set.runs;
  json["started_at"] = set.frame.value("started_at", Json(nullptr));
  return json;
}

Json bounds_json(const Bounds& bounds) { return {{"min", number_json(bounds.low)}, {"max", number_json(bounds.high)}}; }

Json range_json(const Side& side) { return side.value ? bounds_json(side.range) : Json(nullptr); }

Json confidence_json(const Side& side) { return side.confidence ? bounds_json(*side.confidence) : Json(nullptr); }

const char* owner(const Change& change) { return change.nature == Nature::kTiming ? "timing" : "program"; }

Json change_json(const Change& change) {
  Json json;
  json["path"] = change.path;
  json["belongs_to"] = owner(change);
  json["base"] = number_or_null(change.base.value);
  json["head"] = number_or_null(change.head.value);
  json["base_range"] = range_json(change.base);
  json["head_range"] = range_json(change.head);
  json["base_confidence"] = confidence_json(change.base);
  json["head_confidence"] = confidence_json(change.head);
  json["delta_pct"] = number_or_null(change.delta_pct());
  json["p"] = change.test ? Json(change.test->p) : Json(nullptr);
  json["effect"] = change.test ? Json(change.test->effect) : Json(nullptr);
  json["verdict"] = std::string(verdict_name(change.verdict));
  return json;
}

Json source_json(const Limit& limit) {
  if (!limit.source) return nullptr;
  return {{"file", limit.source->file}, {"line", limit.source->line}, {"column", limit.source->column}};
}

// How many figures of each owner have which verdict.
Json summary_json(const std::vector<Change>& changes) {
  Json json;
  for (const char* who : {"program", "timing"}) {
    for (const char* verdict : {"same", "changed", "inconclusive", "unknown"}) json[who][verdict] = 0;
  }
  for (const Change& change : changes) {
    // What passed a limit has changed.
    const bool failed = change.verdict == Change::Verdict::kRegression;
    Json& count = json[owner(change)][failed ? "changed" : std::string(verdict_name(change.verdict))];
    count = count.get<std::uint64_t>() + 1;
  }
  return json;
}

}  // namespace

Json compare_document(const ResultSet& base, const ResultSet& head, const Comparison& comparison,
                      const std::vector<std::string>& different, const std::string& per, bool fail_on_changed,
                      const std::optional<std::vector<Turn>>& self_test) {
  Json json = new_document("compare", std::chrono::system_clock::now());
  json["target"] = head.frame.value("target", Json(nullptr));
  json["probe"] = head.frame.value("probe", Json(nullptr));
  json["base"] = set_json(base);
  json["head"] = set_json(head);
  json["per"] = per;
  json["differences"] = different;
  json["verdict"] = std::string(outcome_name(comparison.outcome()));
  json["summary"] = summary_json(comparison.changes);
  json["fail_on_changed"] = fail_on_changed;
  json["conditions"] = Json::array();
  for (const Checked& check : comparison.checked) {
    json["conditions"].push_back({{"condition", check.limit.text},
                                  {"path", check.limit.path},
                                  {"source", source_json(check.limit)},
                                  {"base", number_json(check.base)},
                                  {"head", number_json(check.head)},
                                  {"verdict", std::string(outcome_name(check.outcome))}});
  }
  json["changes"] = Json::array();
  for (const Change& change : comparison.changes) json["changes"].push_back(change_json(change));
  json["self_test"] = nullptr;
  if (self_test) {
    json["self_test"] = Json::array();
    for (const Turn& turn : *self_test) {
      json["self_test"].push_back({{"condition", turn.limit.text},
                                   {"path", turn.limit.path},
                                   {"base", number_json(turn.base)},
                                   {"perturbed", number_json(turn.perturbed)},
                                   {"before", std::string(outcome_name(turn.before))},
                                   {"after", std::string(outcome_name(turn.after))},
                                   {"turned", turn.turned()}});
    }
  }
  return json;
}

}  // namespace netpoll::cli
