// The page of a snapshot: who it is, how many goroutines wait for what, and a row for each, or what was asked for
// instead: groups, a summary, a tree, what changed.
#include <map>
#include <set>
#include <vector>

#include "exporters/goroutines/names.h"
#include "exporters/json.h"
#include "exporters/pages/member.h"
#include "exporters/pages/pages.h"
#include "exporters/table.h"
#include "exporters/text.h"

namespace netpoll::exporters {
namespace {

std::string text_of(const Json& row, const char* name) {
  const Json& value = at(row, {name});
  if (value.is_string()) return value.get<std::string>();
  return value.is_null() ? "" : compact(value);
}

std::string ns_of(const Json& row, const char* name) {
  const Json& value = at(row, {name});
  if (!value.is_number_integer()) return "";
  const auto ns = value.get<std::int64_t>();
  return ns < 0 ? "passed" : human_ns(static_cast<std::uint64_t>(ns));
}

// "1.20 s"; "120 s +" where the runtime knows no more than that.
std::string wait_of(const Json& row) {
  std::string exact = ns_of(row, "wait_ns");
  if (!exact.empty()) return exact;
  const std::string at_least = ns_of(row, "wait_at_least_ns");
  return at_least.empty() ? at_least : at_least + " +";
}

// "IO wait 12, select 3", on as many lines as it takes.
std::string states_text(const Json& states, std::size_t width) {
  std::string text;
  std::size_t column = 0;
  for (const auto& [state, count] : states.items()) {
    const std::string item = printable(state) + " " + grouped(count);
    const bool fits = column + display_width(item) + 3 <= width;
    if (!text.empty()) text += fits ? ", " : ",\n";
    column = (text.empty() || !fits ? 0 : column + 2) + display_width(item);
    text += item;
  }
  return text.empty() ? text : text + "\n";
}

// "server/9", where the process at the other end is known.
std::string holder_of(const Json& row) {
  const Json& peer = at(row, {"peer_process"});
  if (!peer.is_object()) return "";
  return text_of(peer, "comm") + "/" + text_of(peer, "fd");
}

// Whom it waits for: the peer, or else what it has itself, in brackets unless it listens.
std::string endpoint_of(const Json& row) {
  std::string peer = text_of(row, "peer");
  if (!peer.empty()) return peer;
  const std::string local = text_of(row, "local");
  return local.empty() || text_of(row, "tcp_state") == "LISTEN" ? local : "(" + local + ")";
}

// "IO read" says in one word what it waits for and in which direction.
std::string state_text(const Json& row) {
  const std::string reason = text_of(row, "wait_reason");
  const std::string mode = text_of(row, "mode");
  if (reason == "IO wait" && !mode.empty()) return "IO " + mode;
  const std::string state = reason.empty() ? text_of(row, "status") : reason;
  const std::string syscall = text_of(row, "syscall");
  return syscall.empty() ? state : state + " " + syscall;
}

// Short for a page: a closure of C++ is known by its number, "run_server::{#1}".
std::string function_text(const Json& row) {
  std::string name = plain_function(text_of(row, "function"));
  static constexpr std::string_view kLambda = "{lambda#";
  for (auto at = name.find(kLambda); at != std::string::npos; at = name.find(kLambda, at))
    name.replace(at, kLambda.size(), "{#");
  return name;
}

// Who waits at the other ends, where somebody looked (--follow).
std::string other_ends_table(const Json& rows, const ExportOptions& options) {
  Table table;
  table.column("goid", Align::kRight);
  table.column("fd", Align::kRight);
  table.column("other end", Align::kLeft);
  table.column("who waits there", Align::kLeft);
  table.column("wait", Align::kRight);
  table.column("function", Align::kLeft, Cut::kStart);
  for (const Json& row : rows) {
    for (const Json& peer : at(row, {"peer_processes"})) {
      const Json& waiters = at(peer, {"waiters"});
      if (!waiters.is_array()) continue;
      const std::string end = text_of(peer, "comm") + "/" + text_of(peer, "fd") + " (pid " + text_of(peer, "pid") + ")";
      if (waiters.empty()) table.row({text_of(row, "goid"), text_of(row, "fd"), end, "nobody"});
      for (const Json& waiter : waiters) {
        const bool thread = at(waiter, {"goid"}).is_null();
        const std::string who = thread ? "thread " + text_of(waiter, "tid") : "goroutine " + text_of(waiter, "goid");
        const std::string mode = text_of(waiter, "mode");
        table.row({text_of(row, "goid"), text_of(row, "fd"), end, who + (mode.empty() ? "" : ", " + mode),
                   ns_of(waiter, "wait_ns"), function_text(waiter)});
      }
    }
  }
  return table.empty() ? "" : "\n" + table.text(options.color, options.width);
}

// Depth of each row below the goroutine that started it.
std::vector<std::size_t> depths_of(const Json& rows) {
  std::map<std::pair<std::string, std::string>, std::size_t> depth_of;
  std::vector<std::size_t> depths;
  for (const Json& row : rows) {
    const std::string runtime = text_of(row, "runtime");
    const auto parent = depth_of.find({runtime, text_of(row, "parent_goid")});
    const std::size_t depth = parent == depth_of.end() ? 0 : parent->second + 1;
    depth_of[{runtime, text_of(row, "goid")}] = depth;
    depths.push_back(depth);
  }
  return depths;
}

std::string goroutine_table(const Json& rows, const ExportOptions& options, bool tree) {
  Table table;
  table.column("goid", Align::kRight);
  table.column("status", Align::kLeft, Cut::kEnd);
  table.column("wait", Align::kRight);
  table.column("fd", Align::kRight);
  table.column("deadline", Align::kRight);
  table.column("peer", Align::kLeft, Cut::kStart);
  // Who holds the other end is for wide terminals, and for JSON.
  const bool wide = options.width >= 110;
  table.column("held by", Align::kLeft, Cut::kStart);
  table.column("state", Align::kLeft);
  table.column("function", Align::kLeft, Cut::kStart);
  const std::vector<std::size_t> depths = tree ? depths_of(rows) : std::vector<std::size_t>(rows.size(), 0);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const Json& row = rows[i];
    std::string function = std::string(2 * std::min<std::size_t>(depths[i], 20), ' ') + function_text(row);
    const bool foreign = at(row, {"foreign_change"}) == true;
    const bool moved = at(row, {"stable"}) == false;
    if (foreign) function += " (foreign epoll_ctl)";
    if (moved) function += " (moved)";
    table.row({text_of(row, "goid"), state_text(row), wait_of(row), text_of(row, "fd"), ns_of(row, "deadline_in_ns"),
               endpoint_of(row), wide ? holder_of(row) : "", text_of(row, "tcp_state"),
               Cell(function, foreign || moved ? Style::kWarn : Style::kPlain)});
  }
  return table.empty() ? "" : "\n" + table.text(options.color, options.width);
}

std::string group_table(const Json& groups, const std::string& heading, const ExportOptions& options) {
  Table table;
  table.column("count", Align::kRight);
  table.column("longest", Align::kRight);
  table.column(heading, Align::kLeft, Cut::kEnd);
  const bool stacks = heading.starts_with("stack");
  for (const Json& group : groups) {
    std::string key = text_of(group, "key");
    if (stacks) key = without_pollers_frames(key);
    table.row({count_text(at(group, {"count"})), ns_of(group, "longest_wait_ns"), key.empty() ? "(none)" : key});
  }
  return table.empty() ? "" : "\n" + table.text(options.color, options.width);
}

std::string goids_text(const Json& list, std::uint64_t count) {
  std::string text;
  for (const Json& goid : list) text += (text.empty() ? "" : " ") + compact(goid);
  return list.size() < count ? text + " .." : text;
}

std::string summary_text(const Json& document, const ExportOptions& options) {
  const Json& summary = at(document, {"summary"});
  std::string out;
  for (const Json& finding : at(summary, {"findings"})) {
    const auto count = at(finding, {"count"}).get<std::uint64_t>();
    out += styled(grouped(count) + (count == 1 ? " goroutine: " : " goroutines: ") + word(at(finding, {"what"})),
                  Style::kWarn, options.color) +
           "\n  goid " + goids_text(at(finding, {"goids"}), count) + "\n";
  }
  if (!out.empty()) out.insert(0, "\n");
  out += group_table(at(summary, {"stacks"}), "stack, innermost first", options);
  out += group_table(at(summary, {"peers"}), "peer", options);
  return out + goroutine_table(at(document, {"goroutines"}), options, false);
}

// The rows whose goid is in the list.
Json rows_with(const Json& rows, const Json& goids) {
  std::set<std::uint64_t> wanted;
  for (const Json& goid : goids) wanted.insert(goid.get<std::uint64_t>());
  Json found = Json::array();
  for (const Json& row : rows) {
    if (at(row, {"goid"}).is_number() && wanted.contains(at(row, {"goid"}).get<std::uint64_t>())) found.push_back(row);
  }
  return found;
}

std::string diff_text(const Json& document, const ExportOptions& options) {
  const Json& diff = at(document, {"diff"});
  std::string out = "\nsince " + word(at(diff, {"base_started_at"}));
  if (at(diff, {"same_process"}) == true) {
    out += ": " + grouped(at(diff, {"appeared"}).size()) + " appeared, " + grouped(at(diff, {"stayed"}).size()) +
           " stayed, " + grouped(at(diff, {"went"}).size()) + " went\n";
  } else {
    out += ", of another process: functions can be compared, goroutines cannot\n";
  }
  Table table;
  table.column("before", Align::kRight);
  table.column("now", Align::kRight);
  table.column("change", Align::kRight);
  table.column("function", Align::kLeft, Cut::kStart);
  for (const Json& row : at(diff, {"functions"})) {
    const auto delta = at(row, {"delta"}).get<std::int64_t>();
    if (delta == 0 && !options.everything) continue;
    const std::string function = text_of(row, "function");
    table.row({compact(at(row, {"base"})), compact(at(row, {"head"})), (delta > 0 ? "+" : "") + std::to_string(delta),
               function.empty() ? "(unknown)" : function});
  }
  if (!table.empty()) out += "\n" + table.text(options.color, options.width);
  if (at(diff, {"same_process"}) != true) return out;
  const std::string appeared =
      goroutine_table(rows_with(at(document, {"goroutines"}), at(diff, {"appeared"})), options, false);
  if (!appeared.empty()) out += "\nappeared:\n" + appeared.substr(1);
  const std::string went = goroutine_table(at(diff, {"went"}), options, false);
  if (!went.empty()) out += "\nwent:\n" + went.substr(1);
  return out;
}

std::string body(const Json& document, const ExportOptions& options) {
  const std::string view = document.value("view", "list");
  if (view == "diff") return diff_text(document, options);
  if (view == "summary") return summary_text(document, options);
  if (view == "groups") return group_table(at(document, {"groups"}), word(at(document, {"group_by"})), options);
  return goroutine_table(at(document, {"goroutines"}), options, view == "tree") +
         other_ends_table(at(document, {"goroutines"}), options);
}

}  // namespace

std::string snapshot_page(const Json& document, const ExportOptions& options) {
  const bool color = options.color;
  const Json& target = at(document, {"target"});
  const Json& matching = at(document, {"matching"});
  const std::uint64_t shown = is_count(matching) ? matching.get<std::uint64_t>() : at(document, {"goroutines"}).size();
  const Json& dump = at(document, {"dump"});
  const bool nobody = dump.is_object() && at(target, {"pid"}).is_null();
  std::string out = nobody ? styled(printable(text_of(dump, "file")), Style::kBold, color)
                           : styled(printable(text_of(target, "comm")), Style::kBold, color) + " (pid " +
                                 compact(at(target, {"pid"})) + "), " + runtime_text(target);
  out += ": " + grouped(shown) + " of " + count_text(at(document, {"total"})) + " goroutines\n";
  out += states_text(at(document, {"states"}), options.width);
  out += body(document, options);
  if (dump.is_object()) {
    const bool asked = at(dump, {"found"}).is_number();
    out += "\nfrom the dump " + printable(text_of(dump, "file"));
    if (asked) out += "; " + text_of(dump, "found") + " are where it saw them";
    return out + "\n";
  }
  out += "\nread in " + ns_of(document, "took_ns");
  if (const Json& core = at(document, {"core"}); core.is_string()) {
    out += " from " + printable(core.get<std::string>());
    if (at(document, {"interest_source"}).is_string()) {
      out += "; descriptors from the " + text_of(document, "interest_source");
    }
    out += "\n";
  } else if (is_count(at(document, {"paused_ns"})) && at(document, {"paused_ns"}) != 0) {
    out += "; the target was stopped for " + ns_of(document, "paused_ns") + "\n";
  } else {
    out += " while the target ran; it was not stopped\n";
  }
  if (is_count(at(document, {"inconsistent"})) && at(document, {"inconsistent"}) != 0) {
    out += styled(text_of(document, "inconsistent") + " goroutines kept moving while they were read\n", Style::kWarn,
                  color);
  }
  return out;
}

}  // namespace netpoll::exporters
