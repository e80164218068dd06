// Groups and ranks goroutines.
#include "cli/documents/goroutine_groups.h"

#include <algorithm>
#include <charconv>
#include <iterator>
#include <map>
#include <string_view>

#include "cli/spell.h"
#include "exporters/goroutines/names.h"
#include "exporters/json.h"

namespace netpoll::cli {
namespace {

using exporters::Json;
using trace::Goroutine;
using trace::GoroutineSnapshot;

constexpr std::size_t kGoidsShown = 10;

std::string stack_of(const GoroutineSnapshot& snapshot, const Goroutine& g) {
  std::string text;
  for (const trace::Frame* frame : exporters::shown_frames(snapshot, g, /*everything=*/false)) {
    text += (text.empty() ? "" : " < ") + exporters::frame_name(*frame);
    if (frame->line > 0) text += ":" + std::to_string(frame->line);
  }
  return text;
}

struct Group {
  std::uint64_t count = 0;
  std::optional<std::int64_t> longest_wait_ns;
  std::vector<std::uint64_t> goids;

  void add(const Goroutine& g) {
    ++count;
    longest_wait_ns = std::max(longest_wait_ns, exporters::known_wait_ns(g));
    if (goids.size() < kGoidsShown && g.goid != 0) goids.push_back(g.goid);
  }
};

// Something that should not be, and who shows it.
struct Finding {
  const char* what;
  bool (*holds)(const Goroutine& g);
};
constexpr std::int64_t kMinute = 60'000'000'000;

constexpr Finding kFindings[] = {
    {"somebody else's epoll_ctl touched the registration it waits for",
     [](const Goroutine& g) { return g.foreign_change; }},
    {"data has come, but its reader is still parked",
     [](const Goroutine& g) {
       // What came just now may be on its way to the reader.
       return g.io_wait && !g.becoming_ready && g.mode == trace::IoMode::kRead && g.recv_queue_bytes.value_or(0) > 0 &&
              g.socket_idle_ns.value_or(0) > kMinute / 600;
     }},
    {"connections wait to be accepted, but the accepting goroutine is still parked",
     [](const Goroutine& g) {
       return g.io_wait && !g.becoming_ready && g.tcp_state == "LISTEN" && g.recv_queue_bytes.value_or(0) > 0;
     }},
    {"the peer does not read: a writer waits while sent data is not acknowledged or taken",
     [](const Goroutine& g) {
       return g.io_wait && g.mode == trace::IoMode::kWrite && g.send_queue_bytes.value_or(0) > 0;
     }},
    {"the peer closed the connection, and the program did not (CLOSE_WAIT)",
     [](const Goroutine& g) { return g.tcp_state == "CLOSE_WAIT"; }},
    {"its deadline has passed, but it is still parked",
     [](const Goroutine& g) { return g.deadline_in_ns.value_or(0) < 0 && !g.becoming_ready; }},
    {"in IO wait on a connection for more than a minute without a deadline",
     [](const Goroutine& g) {
       return g.io_wait && !g.deadline_in_ns && !g.peer.empty() && exporters::known_wait_ns(g).value_or(0) > kMinute;
     }},
};

}  // namespace

std::string peer_group(std::string_view kind, const std::string& peer) {
  const auto colon = peer.rfind(':');
  if (kind != "tcp" && kind != "udp") return peer;
  if (colon == std::string::npos) return peer;
  int port = 0;
  const char* last = peer.data() + peer.size();
  const bool is_port = std::from_chars(peer.data() + colon + 1, last, port).ptr == last;
  return is_port && port >= 32768 ? peer.substr(0, colon) : peer;
}

std::string group_key(const GoroutineSnapshot& snapshot, const Goroutine& g, const GroupBy& by) {
  switch (by.kind) {
    case GroupBy::Kind::kStack:
      return std::string(exporters::state_of(g)) + ": " + stack_of(snapshot, g);
    case GroupBy::Kind::kPeer:
      return peer_group(g.kind, g.peer);
    case GroupBy::Kind::kFd:
      return g.fd ? std::to_string(*g.fd) : "";
    case GroupBy::Kind::kFunction: {
      const trace::Frame* entry = exporters::frame_at(snapshot, g.entry);
      return entry == nullptr ? "" : without_closure_numbers(exporters::frame_name(*entry));
    }
    case GroupBy::Kind::kState:
      return g.tcp_state.empty() ? std::string(exporters::state_of(g)) : g.tcp_state;
    case GroupBy::Kind::kLabel:
      for (const auto& [key, value] : g.labels) {
        if (key == by.label) return value;
      }
      return "";
  }
  return "";
}

std::string GroupBy::name() const {
  switch (kind) {
    case Kind::kStack:
      return "stack";
    case Kind::kPeer:
      return "peer";
    case Kind::kFd:
      return "fd";
    case Kind::kFunction:
      return "func";
    case Kind::kState:
      return "state";
    case Kind::kLabel:
      break;
  }
  return "label:" + label;
}

Result<GroupBy> parse_group_by(const std::string& text) {
  using Kind = GroupBy::Kind;
  for (const Kind kind : {Kind::kStack, Kind::kPeer, Kind::kFd, Kind::kFunction, Kind::kState}) {
    GroupBy by{.kind = kind, .label = {}};
    if (by.name() == text) return by;
  }
  static constexpr std::string_view kLabel = "label:";
  if (text.starts_with(kLabel) && text.size() > kLabel.size()) {
    return GroupBy{.kind = Kind::kLabel, .label = text.substr(kLabel.size())};
  }
  return Error(ErrorKind::kInvalid, "cannot group by \"" + text + "\"")
      .with_hint(did_you_mean(text, {"stack", "peer", "fd", "func", "state"},
                              "one of: stack, peer, fd, func, state, label:KEY"));
}

Json group_goroutines(const GoroutineSnapshot& snapshot, const std::vector<std::uint32_t>& indices, const GroupBy& by,
                      std::size_t most) {
  std::map<std::string, Group> groups;
  for (const std::uint32_t index : indices) {
    const Goroutine& g = snapshot.goroutines.at(index);
    groups[group_key(snapshot, g, by)].add(g);
  }
  std::vector<std::pair<std::string, Group>> ranked(groups.begin(), groups.end());
  std::stable_sort(ranked.begin(), ranked.end(),
                   [](const auto& a, const auto& b) { return a.second.count > b.second.count; });
  if (most > 0 && ranked.size() > most) ranked.resize(most);
  Json json = Json::array();
  for (auto& [key, group] : ranked) {
    json.push_back({{"key", key.empty() ? Json(nullptr) : Json(key)},
                    {"count", group.count},
                    {"longest_wait_ns", exporters::or_null(group.longest_wait_ns)},
                    {"goids", group.goids}});
  }
  return json;
}

Json summarize(const GoroutineSnapshot& snapshot, const std::vector<std::uint32_t>& indices, std::size_t most) {
  Json findings = Json::array();
  for (const Finding& finding : kFindings) {
    Group group;
    for (const std::uint32_t index : indices) {
      const Goroutine& g = snapshot.goroutines.at(index);
      if (finding.holds(g)) group.add(g);
    }
    if (group.count > 0) findings.push_back({{"what", finding.what}, {"count", group.count}, {"goids", group.goids}});
  }
  return {{"findings", std::move(findings)},
          {"stacks", group_goroutines(snapshot, indices, {.kind = GroupBy::Kind::kStack, .label = {}}, most)},
          {"peers", group_goroutines(snapshot, indices, {.kind = GroupBy::Kind::kPeer, .label = {}}, most)}};
}

std::string without_closure_numbers(const std::string& function) {
  // Go: "main.serve.func1.2", "main.serve.gowrap1"; gcc: "{lambda()#1}"; clang: "$_0".
  static constexpr std::string_view kMarks[] = {".func", ".gowrap", "#", "$_"};
  const auto is_digit = [&](std::size_t i) { return i < function.size() && function[i] >= '0' && function[i] <= '9'; };
  std::string text;
  for (std::size_t i = 0; i < function.size();) {
    text += function[i++];
    const bool marked =
        std::any_of(std::begin(kMarks), std::end(kMarks), [&](auto mark) { return text.ends_with(mark); });
    if (!marked) continue;
    while (is_digit(i) || (function[i - 1] != '#' && i < function.size() && function[i] == '.' && is_digit(i + 1))) ++i;
  }
  return text;
}

}  // namespace netpoll::cli
