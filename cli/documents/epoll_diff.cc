// Joins the registrations of two views.
#include "cli/documents/epoll_diff.h"

#include <string_view>
#include <unordered_map>
#include <utility>

#include "exporters/json.h"
#include "exporters/long_document.h"

namespace netpoll::cli {
namespace {

using exporters::Json;

const Json& member(const Json& node, const char* name) {
  static const Json null;
  return node.is_object() && node.contains(name) ? node[name] : null;
}

RegistrationDigest digest_of(const Json& instance, const Json& entry) {
  Json row;
  row["pid"] = member(instance, "pid");
  row["epfd"] = member(instance, "epfd");
  for (const char* name : {"fd", "events", "kind", "local", "peer"}) row[name] = member(entry, name);
  const Json key = {row["pid"], row["epfd"], row["fd"], member(entry, "data"), row["local"], row["peer"]};
  return {.key = exporters::compact(key), .row = exporters::compact(row)};
}

RegistrationDigests digests_of(const Json& document, const exporters::PlacedLists& lists) {
  RegistrationDigests all;
  for (const Json& instance : member(document, "instances")) {
    lists.for_each(member(instance, "registrations"),
                   [&](const Json& entry) { all.push_back(digest_of(instance, entry)); });
  }
  return all;
}

// The first of each key. Refers to the digests.
std::unordered_map<std::string_view, const std::string*> rows_by_key(const RegistrationDigests& all) {
  std::unordered_map<std::string_view, const std::string*> rows;
  rows.reserve(all.size());
  for (const RegistrationDigest& one : all) rows.emplace(one.key, &one.row);
  return rows;
}

}  // namespace

RegistrationDigests registration_digests(const Json& document) { return digests_of(document, {}); }

RegistrationDigests registration_digests(const exporters::LongDocument& document) {
  return digests_of(document.head, exporters::PlacedLists(document));
}

Json epoll_changes(const RegistrationDigests& earlier, const RegistrationDigests& later) {
  const auto known = rows_by_key(earlier), current = rows_by_key(later);
  Json changes = {{"appeared", Json::array()}, {"gone", Json::array()}, {"changed", Json::array()}};
  for (const RegistrationDigest& one : later) {
    const auto found = known.find(one.key);
    if (found != known.end() && *found->second == one.row) continue;
    Json row = Json::parse(one.row);
    if (found == known.end()) {
      changes["appeared"].push_back(std::move(row));
      continue;
    }
    const Json before = Json::parse(*found->second);
    if (before["events"] == row["events"]) continue;
    row["events_before"] = before["events"];
    changes["changed"].push_back(std::move(row));
  }
  for (const RegistrationDigest& one : earlier) {
    if (!current.contains(one.key)) changes["gone"].push_back(Json::parse(one.row));
  }
  return changes;
}

bool anything_changed(const Json& changes) {
  return !changes["appeared"].empty() || !changes["gone"].empty() || !changes["changed"].empty();
}

}  // namespace netpoll::cli
