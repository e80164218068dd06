#include "cli/documents/snapshot.h"

#include <algorithm>
#include <map>

#include "cli/documents/envelope.h"
#include "exporters/table.h"

namespace netpoll::cli {
namespace {

using exporters::Align;
using exporters::Cell;
using exporters::Json;
using exporters::Style;
using exporters::Table;
using probes::Goroutine;

Json text_or_null(std::string_view text) { return text.empty() ? Json(nullptr) : Json(std::string(text)); }

std::string mode_name(int mode) { return mode == 0 ? "read" : "write"; }

// A name where the program has symbols, else the address.
Json function_or_pc(const std::string& name, std::uint64_t pc) {
  if (!name.empty()) return name;
  return pc != 0 ? Json(exporters::hex(pc)) : Json(nullptr);
}

Json goroutine_json(const Goroutine& g, std::chrono::system_clock::time_point taken_at) {
  Json json;
  json["goid"] = g.goid;
  json["status"] = std::string(g_status_name(g.status));
  json["wait_reason"] =
      g.wait_reason == WaitReason::kNone ? Json(nullptr) : Json(std::string(wait_reason_name(g.wait_reason)));
  json["wait_ns"] = exporters::or_null(g.wait_ns);
  json["fd"] = exporters::or_null(g.fd);
  json["mode"] = g.mode ? Json(mode_name(*g.mode)) : Json(nullptr);
  json["deadline"] = nullptr;
  json["deadline_in_ns"] = exporters::or_null(g.deadline_ns);
  if (g.deadline_ns) {
    const auto in =
        std::chrono::duration_cast<std::chrono::system_clock::duration>(std::chrono::nanoseconds(*g.deadline_ns));
    json["deadline"] = timestamp(taken_at + in);
  }
  json["kind"] = text_or_null(g.kind);
  json["local"] = text_or_null(g.local);
  json["peer"] = text_or_null(g.peer);
  json["tcp_state"] = text_or_null(g.tcp_state);
  json["foreign_change"] = g.foreign_change;
  json["function"] = function_or_pc(g.function, g.start_pc);
  json["created_by"] = function_or_pc(g.created_by, g.created_pc);
  json["parent_goid"] = g.parent_goid != 0 ? Json(g.parent_goid) : Json(nullptr);
  json["runtime"] = g.runtime;
  json["stack"] = nullptr;
  return json;
}

Json runtimes_json(const probes::RuntimeSnapshot& snapshot) {
  Json json = Json::array();
  for (const auto& runtime : snapshot.runtimes) {
    json.push_back({{"name", runtime.name},
                    {"procs", runtime.procs},
                    {"poll_mode", std::string(poll_mode_name(runtime.poll_mode))},
                    {"trigger", std::string(trigger_name(runtime.trigger))},
                    {"epfd", runtime.epfd >= 0 ? Json(runtime.epfd) : Json(nullptr)}});
  }
  return json;
}

std::string text_of(const Json& row, const char* name) {
  const Json& value = row[name];
  if (value.is_string()) return value.get<std::string>();
  return value.is_null() ? "" : value.dump();
}

// The name without arguments and template arguments, which fill a screen: "accept_loop::{lambda#1}".
std::string short_name(std::string_view name) {
  static constexpr std::string_view kAnonymous = "(anonymous namespace)";
  std::string out;
  int depth = 0;
  while (!name.empty()) {
    const char c = name.front();
    if (depth == 0 && name.starts_with(kAnonymous)) {
      name.remove_prefix(std::min(kAnonymous.size() + 2, name.size()));  // and its "::"
      continue;
    }
    if (c == '<' || c == '(') ++depth;
    if (depth == 0) out += c;
    if (c == '>' || c == ')') --depth;
    name.remove_prefix(1);
  }
  static constexpr std::string_view kOurs = "netpoll::";
  return out.starts_with(kOurs) ? out.substr(kOurs.size()) : out;
}

std::string ns_of(const Json& row, const char* name) {
  const Json& value = row[name];
  if (!value.is_number_integer()) return "";
  const auto ns = value.get<std::int64_t>();
  return ns < 0 ? "passed" : exporters::human_ns(static_cast<std::uint64_t>(ns));
}

}  // namespace

bool GoroutineFilter::shows(const Goroutine& g) const {
  if (!all && g.wait_reason != WaitReason::kIoWait) return false;
  if (min_wait && g.wait_ns.value_or(-1) < min_wait->count()) return false;
  if (fd && g.fd != fd) return false;
  if (!peer.empty() && g.peer.find(peer) == std::string::npos) return false;
  if (!function.empty() && g.function.find(function) == std::string::npos &&
      g.created_by.find(function) == std::string::npos) {
    return false;
  }
  return !no_deadline || (g.wait_reason == WaitReason::kIoWait && !g.deadline_ns);
}

Json snapshot_document(const probes::RuntimeSnapshot& snapshot, const probes::TargetInfo& target,
                       std::chrono::system_clock::time_point taken_at, const GoroutineFilter& filter) {
  Json json = new_document("snapshot", taken_at);
  json["target"] = target_json(target);
  ProbeInfo probe;
  probe.lost = snapshot.inconsistent;
  probe.overhead_note = "the target's memory was read while it ran; it was not stopped";
  json["probe"] = probe_json(probe);
  json["took_ns"] = snapshot.took_ns;
  json["paused_ns"] = 0;
  json["consistent"] = snapshot.inconsistent == 0;
  json["inconsistent"] = snapshot.inconsistent;
  json["runtimes"] = runtimes_json(snapshot);

  std::map<std::string, std::uint64_t> states;
  Json shown = Json::array();
  for (const Goroutine& g : snapshot.goroutines) {
    ++states[std::string(g.wait_reason == WaitReason::kNone ? g_status_name(g.status)
                                                            : wait_reason_name(g.wait_reason))];
    if (filter.shows(g)) shown.push_back(goroutine_json(g, taken_at));
  }
  json["total"] = snapshot.goroutines.size();
  json["states"] = states;
  json["goroutines"] = std::move(shown);
  return json;
}

std::string snapshot_text(const Json& document, bool color) {
  const Json& goroutines = document["goroutines"];
  const Json& target = document["target"];
  std::string out = exporters::styled(exporters::printable(text_of(target, "comm")), Style::kBold, color) + " (pid " +
                    target["pid"].dump() + "), libruntime " + text_of(target, "runtime_version") + ": " +
                    exporters::grouped(goroutines.size()) + " of " + exporters::grouped(document["total"]) +
                    " goroutines\n";
  std::string states;
  for (const auto& [state, count] : document["states"].items()) {
    states += (states.empty() ? "" : ", ") + state + " " + exporters::grouped(count);
  }
  if (!states.empty()) out += states + "\n";

  Table table;
  table.column("goid", Align::kRight);
  table.column("status", Align::kLeft);
  table.column("wait", Align::kRight);
  table.column("fd", Align::kRight);
  table.column("mode", Align::kLeft);
  table.column("deadline", Align::kRight);
  table.column("local", Align::kLeft);
  table.column("peer", Align::kLeft);
  table.column("state", Align::kLeft);
  table.column("function", Align::kLeft);
  for (const Json& row : goroutines) {
    const std::string reason = text_of(row, "wait_reason");
    const std::string function = short_name(text_of(row, "function"));
    table.row({text_of(row, "goid"), reason.empty() ? text_of(row, "status") : reason, ns_of(row, "wait_ns"),
               text_of(row, "fd"), text_of(row, "mode"), ns_of(row, "deadline_in_ns"), text_of(row, "local"),
               text_of(row, "peer"), text_of(row, "tcp_state"),
               row["foreign_change"] == true ? Cell(function + " (foreign epoll_ctl)", Style::kWarn) : Cell(function)});
  }
  if (!table.empty()) out += "\n" + table.text(color);
  out += "\nread in " + ns_of(document, "took_ns") + " while the target ran; it was not stopped\n";
  if (document["inconsistent"] != 0) {
    out += exporters::styled(text_of(document, "inconsistent") + " goroutines kept moving and are left out\n",
                             Style::kWarn, color);
  }
  return out;
}

}  // namespace netpoll::cli
