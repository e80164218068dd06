// Joins the registrations of two views.
#include "cli/documents/epoll_diff.h"

#include <map>
#include <string>
#include <vector>

#include "exporters/json.h"

namespace netpoll::cli {
namespace {

using exporters::Json;

Json member(const Json& node, const char* name) {
  return node.is_object() && node.contains(name) ? node[name] : Json();
}

struct Registration {
  std::string key;  // what makes it the same one
  Json row;
};

// In the order of the document.
std::vector<Registration> registrations_of(const Json& document) {
  std::vector<Registration> all;
  const Json instances = member(document, "instances");
  for (const Json& instance : instances) {
    const Json registrations = member(instance, "registrations");
    for (const Json& entry : registrations) {
      Json row;
      row["pid"] = member(instance, "pid");
      row["epfd"] = member(instance, "epfd");
      for (const char* name : {"fd", "events", "kind", "local", "peer"}) row[name] = member(entry, name);
      const Json key = {row["pid"], row["epfd"], row["fd"], member(entry, "data"), row["local"], row["peer"]};
      all.push_back({exporters::compact(key), std::move(row)});
    }
  }
  return all;
}

std::map<std::string, const Json*> by_key(const std::vector<Registration>& all) {
  std::map<std::string, const Json*> map;
  for (const Registration& one : all) map.emplace(one.key, &one.row);
  return map;
}

}  // namespace

Json epoll_changes(const Json& earlier, const Json& later) {
  const auto before = registrations_of(earlier), after = registrations_of(later);
  const auto known = by_key(before), current = by_key(after);
  Json changes = {{"appeared", Json::array()}, {"gone", Json::array()}, {"changed", Json::array()}};
  for (const Registration& one : after) {
    const auto found = known.find(one.key);
    if (found == known.end()) {
      changes["appeared"].push_back(one.row);
    } else if ((*found->second)["events"] != one.row["events"]) {
      Json changed = one.row;
      changed["events_before"] = (*found->second)["events"];
      changes["changed"].push_back(std::move(changed));
    }
  }
  for (const Registration& one : before) {
    if (!current.contains(one.key)) changes["gone"].push_back(one.row);
  }
  return changes;
}

bool anything_changed(const Json& changes) {
  return !changes["appeared"].empty() || !changes["gone"].empty() || !changes["changed"].empty();
}

}  // namespace netpoll::cli
