// Adds up waits.
#include "exporters/html/trace_figures.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <memory>

#include "exporters/events/timeline.h"
#include "exporters/events/wait_stacks.h"
#include "exporters/json.h"

namespace netpoll::exporters {
namespace {

void saturating_add(std::uint64_t& sum, std::uint64_t value) {
  constexpr auto kMost = std::numeric_limits<std::uint64_t>::max();
  sum = value > kMost - sum ? kMost : sum + value;
}

}  // namespace

std::size_t WaitHistogram::bucket_of(std::uint64_t ns) {
  if (ns < 4) return ns;
  const auto doublings = static_cast<std::size_t>(std::bit_width(ns)) - 1;
  return (doublings - 1) * 4 + ((ns >> (doublings - 2)) & 3);
}

std::uint64_t WaitHistogram::begin_of(std::size_t bucket) {
  if (bucket < 4) return bucket;
  const std::size_t doublings = bucket / 4 + 1;
  if (doublings > 63) return std::numeric_limits<std::uint64_t>::max();
  return (std::uint64_t{4} + bucket % 4) << (doublings - 2);
}

void WaitHistogram::add(std::uint64_t ns) { ++counts_.at(bucket_of(ns)); }

Json WaitHistogram::json() const {
  Json json = Json::array();
  const auto seen = [](std::uint64_t count) { return count != 0; };
  const auto first = std::find_if(counts_.begin(), counts_.end(), seen) - counts_.begin();
  const auto last = counts_.rend() - std::find_if(counts_.rbegin(), counts_.rend(), seen);
  for (auto at = first; at < last; ++at) {
    const auto bucket = static_cast<std::size_t>(at);
    json.push_back({begin_of(bucket), begin_of(bucket + 1), counts_.at(bucket)});
  }
  return json;
}

void TraceFigures::Row::add(const trace::Record& record) {
  ++count;
  if (record.network_wait_ns) {
    saturating_add(network_ns, *record.network_wait_ns);
    network_max_ns = std::max(network_max_ns, *record.network_wait_ns);
  }
  if (record.cpu_wait_ns) {
    saturating_add(cpu_ns, *record.cpu_wait_ns);
    cpu_max_ns = std::max(cpu_max_ns, *record.cpu_wait_ns);
  }
  if (record.endpoint) endpoint = record.endpoint;
  if (record.labels) labels = record.labels;
}

template <typename Key>
void TraceFigures::count(Rows<Key>& rows, const Key& key, const trace::Record& record) {
  auto at = rows.find(key);
  if (at == rows.end()) {
    if (rows.size() >= kMostRows) return;
    at = rows.try_emplace(key).first;
  }
  at->second.add(record);
}

void TraceFigures::add(const trace::Record& record) {
  if (record.step != trace::Step::kRun || (!record.network_wait_ns && !record.cpu_wait_ns)) return;
  if (record.network_wait_ns) network_.add(*record.network_wait_ns);
  if (record.cpu_wait_ns) cpu_.add(*record.cpu_wait_ns);
  if (record.goid != 0) count(goroutines_, std::pair(record.pid, record.goid), record);
  if (record.fd < 0) return;
  count(fds_, std::pair(record.pid, record.fd), record);
  if (!record.endpoint || record.endpoint->peer.empty()) return;
  const std::string peer = without_port(*record.endpoint);
  count(peers_, peer, record);
  const std::string waiter = record.goid != 0 ? "G" + std::to_string(record.goid) : "fd " + std::to_string(record.fd);
  count(edges_, std::pair("pid " + std::to_string(record.pid) + " " + waiter, peer), record);
}

template <typename Key, typename Fill>
Json TraceFigures::rows_json(const Rows<Key>& rows, std::size_t most, const Fill& fill) {
  std::vector<const std::pair<const Key, Row>*> sorted;
  for (const auto& entry : rows) sorted.push_back(&entry);
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const auto* a, const auto* b) { return a->second.network_ns > b->second.network_ns; });
  if (sorted.size() > most) sorted.resize(most);
  Json json = Json::array();
  for (const auto* entry : sorted) {
    const auto& [key, row] = *entry;
    Json one = fill(key);
    one["count"] = row.count;
    one["network"] = row.network_ns;
    one["network_max"] = row.network_max_ns;
    one["cpu"] = row.cpu_ns;
    one["cpu_max"] = row.cpu_max_ns;
    if (row.endpoint && !one.contains("peer")) one["peer"] = row.endpoint->peer;
    if (row.labels && !row.labels->empty()) one["labels"] = labels_text(*row.labels);
    json.push_back(std::move(one));
  }
  return json;
}

void TraceFigures::write(Json& page, const std::map<pid_t, std::string>& processes) const {
  constexpr std::size_t kShown = 1000;
  const auto process = [&](pid_t pid) {
    const auto known = processes.find(pid);
    return (known != processes.end() ? known->second + " " : std::string()) + "pid " + std::to_string(pid);
  };
  page["network"] = network_.json();
  page["cpu"] = cpu_.json();
  page["goroutines"] = rows_json(goroutines_, kShown, [&](const auto& key) {
    return Json{{"goid", key.second}, {"process", process(key.first)}};
  });
  page["fds"] = rows_json(fds_, kShown, [&](const auto& key) {
    return Json{{"fd", key.second}, {"process", process(key.first)}};
  });
  page["peers"] = rows_json(peers_, kShown, [](const auto& key) { return Json{{"peer", key}}; });
  page["edges"] = rows_json(edges_, kShown, [](const auto& key) {
    return Json{{"waiter", key.first}, {"peer", key.second}};
  });
}

}  // namespace netpoll::exporters
