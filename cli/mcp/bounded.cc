// Cuts lists, and counts what it cut.
#include "cli/mcp/bounded.h"

#include <algorithm>
#include <map>
#include <string>

#include "exporters/json.h"

namespace netpoll::cli {
namespace {

using exporters::Json;

struct Cut {
  std::size_t shown = 0;
  std::size_t total = 0;
};
// By path. Lists inside the elements of a list share one: "goroutines[].stack".
using Cuts = std::map<std::string, Cut>;

bool has_findings(const Json& element) {
  if (!element.is_object()) return false;
  const auto findings = element.find("findings");
  return findings != element.end() && !findings->empty();
}

// Documents are our own and shallow, so the recursion is.
void cut_lists(Json& json, std::size_t limit, const std::string& path, Cuts& cuts) {
  if (json.is_object()) {
    for (auto& [name, value] : json.items()) cut_lists(value, limit, path.empty() ? name : path + "." + name, cuts);
  }
  if (!json.is_array()) return;
  if (json.size() > limit) {
    std::stable_partition(json.begin(), json.end(), has_findings);
    Cut& cut = cuts[path];
    cut.shown += limit;
    cut.total += json.size();
    json.erase(json.begin() + static_cast<std::ptrdiff_t>(limit), json.end());
  }
  for (Json& element : json) cut_lists(element, limit, path + "[]", cuts);
}

void drop_calls_without_count(Json& document) {
  const auto calls = document.find("syscalls");
  if (calls == document.end() || !calls->is_object()) return;
  Json kept = Json::object();
  for (auto& [name, figures] : calls->items()) {
    const auto count = figures.find("count");
    if (count == figures.end() || *count != 0) kept[name] = std::move(figures);
  }
  *calls = std::move(kept);
}

}  // namespace

void bound(Json& document, std::size_t limit) {
  if (!document.is_object()) return;
  drop_calls_without_count(document);
  Cuts cuts;
  cut_lists(document, limit, "", cuts);
  Json lists = Json::array();
  for (const auto& [path, cut] : cuts) lists.push_back({{"path", path}, {"shown", cut.shown}, {"total", cut.total}});
  document["bounded"] = {{"limit", limit}, {"cut", std::move(lists)}};
}

}  // namespace netpoll::cli
