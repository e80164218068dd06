// Interest sets as JSON.
#include "cli/documents/epoll.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "cli/documents/envelope.h"
#include "exporters/json.h"
#include "probes/process/proc_status.h"

namespace netpoll::cli {
namespace {

using exporters::Json;
using exporters::text_or_null;
using probes::Finding;
using probes::InterestEntry;
using probes::InterestSet;
using probes::NumberState;

const char* state_name(NumberState state) {
  switch (state) {
    case NumberState::kClosed:
      return "closed";
    case NumberState::kReused:
      return "reused";
    case NumberState::kSame:
      break;
  }
  return "open";
}

Json processes_json(const std::vector<trace::PeerProcess>& processes) {
  Json json = Json::array();
  for (const trace::PeerProcess& p : processes) json.push_back({{"pid", p.pid}, {"comm", p.comm}, {"fd", p.fd}});
  return json;
}

using Rules = std::map<std::tuple<pid_t, int, int>, std::vector<std::string>>;  // (pid, epfd, fd) -> rules

Json entry_json(const InterestEntry& e, const std::vector<std::string>* rules) {
  Json json;
  json["fd"] = e.fd;
  json["events"] = probes::epoll_event_names(e.events);
  json["armed"] = e.armed();
  json["data"] = exporters::hex(e.data);
  json["state"] = state_name(e.state);
  json["nonblocking"] = exporters::or_null(e.nonblocking);
  json["kind"] = e.is_epoll ? Json("epoll") : text_or_null(e.file.kind);
  json["local"] = text_or_null(e.file.local);
  json["peer"] = text_or_null(e.file.peer);
  json["tcp_state"] = text_or_null(e.file.tcp_state);
  json["recv_queue_bytes"] = exporters::or_null(e.file.recv_queue_bytes);
  json["send_queue_bytes"] = exporters::or_null(e.file.send_queue_bytes);
  json["peer_processes"] = processes_json(e.file.peer_processes);
  json["held_by"] = processes_json(e.holders);
  json["findings"] = rules == nullptr ? Json::array() : Json(*rules);
  return json;
}

Json instance_json(const InterestSet& set, const Rules& rules, int fd) {
  Json json;
  json["pid"] = set.pid;
  json["epfd"] = set.epfd;
  json["total"] = set.entries.size();
  json["waiting_threads"] = set.waiting_threads;
  json["busy_poll"] = nullptr;
  if (const auto& busy = set.busy_poll) {
    json["busy_poll"] = {{"usecs", busy->usecs}, {"budget", busy->budget}, {"prefer", busy->prefer}};
  }
  json["shared_with"] = processes_json(set.shared_with);
  json["registrations"] = Json::array();
  for (const InterestEntry& e : set.entries) {
    if (fd >= 0 && e.fd != fd) continue;
    const auto found = rules.find({set.pid, set.epfd, e.fd});
    json["registrations"].push_back(entry_json(e, found == rules.end() ? nullptr : &found->second));
  }
  return json;
}

bool is_connection(const InterestEntry& e) {
  return e.state == NumberState::kSame && !e.file.peer.empty() && (e.file.kind == "tcp" || e.file.kind == "unix");
}

std::uint64_t connections_in(const InterestSet& set) {
  return static_cast<std::uint64_t>(std::count_if(set.entries.begin(), set.entries.end(), is_connection));
}

// Adds .share to each row. Returns how far the fullest is from the mean: 0 where all have the same, 1 where it has
// twice the mean; null of one or none.
Json share_out(Json& rows) {
  std::uint64_t all = 0, most = 0;
  for (const Json& row : rows) {
    const auto connections = row["connections"].get<std::uint64_t>();
    all += connections;
    most = std::max(most, connections);
  }
  for (Json& row : rows) {
    row["share"] =
        exporters::ratio(row["connections"].get<std::uint64_t>(), all == 0 ? std::nullopt : std::optional(all));
  }
  if (all == 0 || rows.size() < 2) return nullptr;
  const double mean = static_cast<double>(all) / static_cast<double>(rows.size());
  return std::round((static_cast<double>(most) / mean - 1) * 1000) / 1000;
}

// Connections of each process.
void put_workers(Json& document, const EpollView& view) {
  Json workers = Json::array();
  for (const probes::TargetInfo& target : view.targets) {
    std::uint64_t connections = 0;
    for (const InterestSet& set : view.sets) connections += set.pid == target.pid ? connections_in(set) : 0;
    workers.push_back({{"pid", target.pid}, {"comm", exporters::or_null(target.comm)}, {"connections", connections}});
  }
  document["imbalance"] = share_out(workers);
  document["workers"] = std::move(workers);
}

// Connections of each event loop, which is an instance and whoever waits on it. One that nobody waits on, and that has
// no connection, is none.
void put_loops(Json& document, const EpollView& view) {
  Json loops = Json::array();
  for (const InterestSet& set : view.sets) {
    const std::uint64_t connections = connections_in(set);
    if (connections == 0 && set.waiting_threads.empty()) continue;
    Json threads = Json::array();
    for (const pid_t tid : set.waiting_threads) {
      threads.push_back({{"tid", tid}, {"comm", text_or_null(probes::comm_of(tid))}});
    }
    loops.push_back(
        {{"pid", set.pid}, {"epfd", set.epfd}, {"threads", std::move(threads)}, {"connections", connections}});
  }
  document["loop_imbalance"] = share_out(loops);
  document["loops"] = std::move(loops);
}

}  // namespace

Json finding_json(const Finding& finding) {
  return {{"rule", std::string(finding.rule->id)},
          {"level", std::string(finding.rule->level)},
          {"pid", finding.pid},
          {"epfd", finding.epfd},
          {"fd", finding.fd},
          {"meaning", std::string(finding.rule->meaning)},
          {"evidence", finding.evidence},
          {"fix", std::string(finding.rule->fix)}};
}

Json epoll_document(const EpollView& view, int fd) {
  Json json = new_document("epoll", view.taken_at);
  const bool several = view.targets.size() > 1;
  json["target"] = several || view.targets.empty() ? Json(nullptr) : target_json(view.targets.front());
  json["targets"] = Json::array();
  for (const probes::TargetInfo& target : view.targets) json["targets"].push_back(target_json(target));
  ProbeInfo probe;
  probe.lost = 0;
  probe.overhead_note = "read from /proc; an instance's lock is held while its list is written, about 2 us an entry";
  json["probe"] = probe_json(probe);
  json["took_ns"] = view.took.count();
  json["looks"] = view.looks;

  Rules rules;
  for (const Finding& f : view.findings) rules[{f.pid, f.epfd, f.fd}].emplace_back(f.rule->id);
  json["instances"] = Json::array();
  for (const InterestSet& set : view.sets) json["instances"].push_back(instance_json(set, rules, fd));
  json["findings"] = Json::array();
  for (const Finding& f : view.findings) {
    if (fd < 0 || f.fd == fd) json["findings"].push_back(finding_json(f));
  }
  put_workers(json, view);
  put_loops(json, view);
  return json;
}

}  // namespace netpoll::cli
