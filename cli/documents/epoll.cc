// Interest sets as JSON.
#include "cli/documents/epoll.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <utility>

#include "cli/documents/envelope.h"
#include "exporters/json.h"
#include "exporters/json_members.h"
#include "probes/process/proc_status.h"

namespace netpoll::cli {
namespace {

using exporters::Json;
using exporters::text_or_null;
using probes::Finding;
using probes::InterestEntry;
using probes::InterestSet;
using probes::NumberState;

std::optional<std::string_view> known(std::string_view text) {
  return text.empty() ? std::nullopt : std::optional(text);
}

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

// What is wrong with which registration.
struct RuleOf {
  pid_t pid;
  int epfd;
  int fd;
  const probes::FindingRule* rule;

  std::tuple<pid_t, int, int> key() const { return {pid, epfd, fd}; }
};

// In order of their keys; those of one registration as they were found.
std::vector<RuleOf> rules_of(const std::vector<Finding>& findings) {
  std::vector<RuleOf> rules;
  rules.reserve(findings.size());
  for (const Finding& f : findings) rules.push_back({f.pid, f.epfd, f.fd, f.rule});
  std::stable_sort(rules.begin(), rules.end(), [](const RuleOf& a, const RuleOf& b) { return a.key() < b.key(); });
  return rules;
}

template <typename Members>
void add_members(const InterestEntry& e, const Json& events, Json findings, Members& to) {
  to.add("fd", e.fd);
  to.add_json("events", events);
  to.add("armed", e.armed());
  to.add("data", exporters::hex(e.data));
  to.add("state", state_name(e.state));
  to.add("nonblocking", e.nonblocking);
  to.add("kind", e.is_epoll ? std::optional<std::string_view>("epoll") : known(e.file.kind));
  to.add("local", known(e.file.local));
  to.add("peer", known(e.file.peer));
  to.add("tcp_state", known(e.file.tcp_state));
  to.add("recv_queue_bytes", e.file.recv_queue_bytes);
  to.add("send_queue_bytes", e.file.send_queue_bytes);
  to.add_json("peer_processes", processes_json(e.file.peer_processes));
  to.add_json("held_by", processes_json(e.holders));
  to.add_json("findings", std::move(findings));
}

// Those of one instance that have the number fd; -1: all.
class Registrations : public exporters::LongList {
 public:
  Registrations(const InterestSet& set, std::shared_ptr<const std::vector<RuleOf>> rules, int fd)
      : set_(set), rules_(std::move(rules)) {
    const auto [first, last] = std::equal_range(set.entries.begin(), set.entries.end(), fd, ByNumber{});
    first_ = fd < 0 ? 0 : static_cast<std::size_t>(first - set.entries.begin());
    size_ = fd < 0 ? set.entries.size() : static_cast<std::size_t>(last - first);
  }

  std::size_t size() const override { return size_; }

  Json element(std::size_t index) const override {
    Json json = Json::object();
    exporters::JsonMembers members(json, 15);
    const InterestEntry& e = entry(index);
    add_members(e, events(e), findings(e), members);
    return json;
  }

  void append(std::string& out, std::size_t index, exporters::Layout layout, std::size_t indent) const override {
    exporters::ObjectText members(out, layout, indent);
    const InterestEntry& e = entry(index);
    add_members(e, events(e), findings(e), members);
    members.end();
  }

 private:
  struct ByNumber {
    bool operator()(const InterestEntry& e, int fd) const { return e.fd < fd; }
    bool operator()(int fd, const InterestEntry& e) const { return fd < e.fd; }
  };

  const InterestEntry& entry(std::size_t index) const { return set_.entries.at(first_ + index); }

  // Most have one of few masks.
  const Json& events(const InterestEntry& e) const {
    Json& names = events_[e.events];
    if (names.is_null()) names = probes::epoll_event_names(e.events);
    return names;
  }

  Json findings(const InterestEntry& e) const {
    Json names = Json::array();
    const RuleOf wanted{set_.pid, set_.epfd, e.fd, nullptr};
    auto at = std::lower_bound(rules_->begin(), rules_->end(), wanted,
                               [](const RuleOf& a, const RuleOf& b) { return a.key() < b.key(); });
    for (; at != rules_->end() && at->key() == wanted.key(); ++at) names.push_back(std::string(at->rule->id));
    return names;
  }

  const InterestSet& set_;
  std::shared_ptr<const std::vector<RuleOf>> rules_;
  std::size_t first_ = 0;
  std::size_t size_ = 0;
  mutable std::unordered_map<std::uint32_t, Json> events_;  // by mask
};

class Findings : public exporters::LongList {
 public:
  Findings(const std::vector<Finding>& findings, int fd) {
    for (const Finding& f : findings) {
      if (fd < 0 || f.fd == fd) shown_.push_back(&f);
    }
  }

  std::size_t size() const override { return shown_.size(); }
  Json element(std::size_t index) const override { return finding_json(*shown_.at(index)); }

 private:
  std::vector<const Finding*> shown_;
};

// Without its registrations.
Json instance_json(const InterestSet& set) {
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

Json rings_json(const std::vector<probes::UringInstance>& rings) {
  const auto number = [](const auto& value) { return value ? Json(*value) : Json(nullptr); };
  Json json = Json::array();
  for (const probes::UringInstance& ring : rings) {
    json.push_back({{"pid", ring.pid},
                    {"fd", ring.fd},
                    {"sq_entries", number(ring.sq_entries)},
                    {"cq_entries", number(ring.cq_entries)},
                    {"queued", number(ring.queued)},
                    {"completed", number(ring.completed)},
                    {"overflowed", number(ring.overflowed)},
                    {"polls", number(ring.polls)},
                    {"registered_files", number(ring.registered_files)},
                    {"sq_thread", number(ring.sq_thread)}});
  }
  return json;
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

exporters::LongDocument epoll_document(const EpollView& view, int fd) {
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

  json["instances"] = Json::array();
  for (const InterestSet& set : view.sets) json["instances"].push_back(instance_json(set));
  json["io_uring"] = rings_json(view.rings);
  json["findings"] = Json::array();
  put_workers(json, view);
  put_loops(json, view);

  exporters::LongDocument document{std::move(json), {}};
  const auto rules = std::make_shared<const std::vector<RuleOf>>(rules_of(view.findings));
  for (std::size_t i = 0; i < view.sets.size(); ++i) {
    document.lists.push_back({Json::json_pointer("/instances/" + std::to_string(i) + "/registrations"),
                              std::make_shared<const Registrations>(view.sets[i], rules, fd)});
  }
  document.lists.push_back({Json::json_pointer("/findings"), std::make_shared<const Findings>(view.findings, fd)});
  return document;
}

}  // namespace netpoll::cli
