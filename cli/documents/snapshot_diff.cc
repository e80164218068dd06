// Compares snapshots.
#include "cli/documents/snapshot_diff.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "cli/documents/goroutine_groups.h"
#include "exporters/goroutines/names.h"
#include "exporters/snapshot_document.h"

namespace netpoll::cli {
namespace {

using exporters::Json;

using Identity = std::pair<std::uint64_t, std::uint64_t>;  // runtime and goid

Identity identity_of(const Json& row) {
  const auto number = [&](const char* name) {
    const auto member = row.find(name);
    return member != row.end() && member->is_number_unsigned() ? member->get<std::uint64_t>() : 0;
  };
  return {number("runtime"), number("goid")};
}

std::string function_of(const Json& row) {
  const auto member = row.find("function");
  const bool named = member != row.end() && member->is_string();
  return named ? without_closure_numbers(exporters::plain_function(member->get<std::string>())) : std::string();
}

struct BeforeAfter {
  std::int64_t base = 0;
  std::int64_t head = 0;
};

Json functions_json(const std::map<std::string, BeforeAfter>& changes) {
  std::vector<std::pair<std::string, BeforeAfter>> ranked(changes.begin(), changes.end());
  std::stable_sort(ranked.begin(), ranked.end(), [](const auto& a, const auto& b) {
    return a.second.head - a.second.base > b.second.head - b.second.base;
  });
  Json json = Json::array();
  for (const auto& [function, change] : ranked) {
    json.push_back({{"function", function.empty() ? Json(nullptr) : Json(function)},
                    {"base", change.base},
                    {"head", change.head},
                    {"delta", change.head - change.base}});
  }
  return json;
}

}  // namespace

Result<Json> snapshot_diff(const Json& base, const exporters::SnapshotDocument& document) {
  const auto rows = base.find("goroutines");
  if (rows == base.end() || !rows->is_array()) {
    return Error(ErrorKind::kInvalid, "the base has no goroutines")
        .with_hint("netpoll-trace snapshot -p PID --json -o FILE writes one that has");
  }
  std::map<std::string, BeforeAfter> functions;
  std::map<Identity, const Json*> before;
  for (const Json& row : *rows) {
    if (!row.is_object()) continue;
    before.emplace(identity_of(row), &row);
    ++functions[function_of(row)].base;
  }
  const auto same = [&](const char* name) {
    return base.contains("target") && base["target"].is_object() && base["target"].contains(name) &&
           base["target"][name] == document.head.at("target").at(name);
  };
  const bool same_process = same("pid") && same("exe");

  Json appeared = Json::array();
  Json stayed = Json::array();
  for (const std::uint32_t index : document.shown) {
    const trace::Goroutine& g = document.snapshot.goroutines.at(index);
    const trace::Frame* entry = exporters::frame_at(document.snapshot, g.entry);
    ++functions[entry == nullptr ? "" : without_closure_numbers(exporters::frame_name(*entry))].head;
    const bool known = before.erase({g.runtime, g.goid}) > 0;
    (known ? stayed : appeared).push_back(g.goid);
  }
  Json went = Json::array();
  for (const auto& [identity, row] : before) went.push_back(*row);

  const auto if_same = [&](Json list) { return same_process ? std::move(list) : Json(nullptr); };
  return Json{{"base_started_at", base.value("started_at", Json(nullptr))},
              {"same_process", same_process},
              {"appeared", if_same(std::move(appeared))},
              {"stayed", if_same(std::move(stayed))},
              {"went", if_same(std::move(went))},
              {"functions", functions_json(functions)}};
}

}  // namespace netpoll::cli
