// Keeps the rows with the longest waits: a newcomer takes the place of the one whose longest is the shortest.
#include "cli/trace/slowest_waits.h"

#include <algorithm>

#include "exporters/json.h"

namespace netpoll::cli {

using exporters::Json;

void SlowestWaits::add(const trace::Record& record) {
  const auto& wait_ns = by_ == By::kCpu ? record.cpu_wait_ns : record.network_wait_ns;
  if (!wait_ns) return;
  const Key key{record.pid, record.fd, record.fd < 0 ? record.goid : 0};
  Row* row = row_of(key, record, *wait_ns);
  if (row == nullptr) return;
  ++row->waits;
  const bool longest = *wait_ns >= ranked(*row).longest_ns;
  const auto add_to = [](Sum& sum, const std::optional<std::uint64_t>& ns) {
    sum.total_ns += ns.value_or(0);
    sum.longest_ns = std::max(sum.longest_ns, ns.value_or(0));
  };
  add_to(row->network, record.network_wait_ns);
  add_to(row->cpu, record.cpu_wait_ns);
  if (record.endpoint) row->endpoint = record.endpoint;
  if (!longest) return;
  row->ended_ns = record.time_ns;
  row->goid = record.goid;
  row->labels = record.labels;
}

SlowestWaits::Row* SlowestWaits::row_of(const Key& key, const trace::Record& record, std::uint64_t wait_ns) {
  if (const auto known = live_.find(key); known != live_.end()) {
    Row& row = rows_[known->second];
    const auto peer = [](const auto& endpoint) { return endpoint ? std::string_view(endpoint->peer) : ""; };
    const bool another =
        !peer(row.endpoint).empty() && !peer(record.endpoint).empty() && peer(row.endpoint) != peer(record.endpoint);
    if (!another) return &row;
    live_.erase(known);
  }
  std::size_t place = rows_.size();
  if (rows_.size() < kRoom) {
    rows_.emplace_back();
  } else {
    full_once_ = true;
    const auto least = std::min_element(rows_.begin(), rows_.end(), [this](const Row& a, const Row& b) {
      return ranked(a).longest_ns < ranked(b).longest_ns;
    });
    if (wait_ns <= ranked(*least).longest_ns) return nullptr;
    place = static_cast<std::size_t>(least - rows_.begin());
    if (const auto old = live_.find(least->key); old != live_.end() && old->second == place) live_.erase(old);
  }
  rows_[place] = {.key = key, .partial = full_once_};
  live_[key] = place;
  return &rows_[place];
}

void SlowestWaits::forget(pid_t pid, int fd) { live_.erase({pid, fd, 0}); }

void SlowestWaits::forget(pid_t pid) {
  std::erase_if(live_, [pid](const auto& entry) { return std::get<0>(entry.first) == pid; });
}

Json SlowestWaits::json() const {
  std::vector<const Row*> order;
  for (const Row& row : rows_) order.push_back(&row);
  std::stable_sort(order.begin(), order.end(),
                   [this](const Row* a, const Row* b) { return ranked(*a).longest_ns > ranked(*b).longest_ns; });
  order.resize(std::min(order.size(), kShown));
  Json rows = Json::array();
  for (const Row* row : order) {
    const int fd = std::get<1>(row->key);
    Json json = {{"pid", std::get<0>(row->key)}};
    json["fd"] = fd >= 0 ? Json(fd) : Json(nullptr);
    json["goid"] = row->goid != 0 ? Json(row->goid) : Json(nullptr);
    json["labels"] = nullptr;
    if (row->labels) {
      json["labels"] = Json::object();
      for (const auto& [name, value] : *row->labels) json["labels"][name] = value;
    }
    const trace::Endpoint unknown;
    const trace::Endpoint& endpoint = row->endpoint ? *row->endpoint : unknown;
    json["fd_kind"] = exporters::text_or_null(endpoint.kind);
    json["local"] = exporters::text_or_null(endpoint.local);
    json["peer"] = exporters::text_or_null(endpoint.peer);
    json["waits"] = row->waits;
    json["network_wait_ns"] = {{"total", row->network.total_ns}, {"max", row->network.longest_ns}};
    json["cpu_wait_ns"] = {{"total", row->cpu.total_ns}, {"max", row->cpu.longest_ns}};
    json["ended_ns"] = row->ended_ns;
    json["partial"] = row->partial;
    rows.push_back(std::move(json));
  }
  return rows;
}

}  // namespace netpoll::cli
