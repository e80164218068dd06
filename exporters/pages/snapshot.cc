// The page of a snapshot: who it is, how many goroutines wait for what, and a row for each.
#include <algorithm>

#include "exporters/pages/pages.h"
#include "exporters/table.h"
#include "exporters/text.h"

namespace netpoll::exporters {
namespace {

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
  return ns < 0 ? "passed" : human_ns(static_cast<std::uint64_t>(ns));
}

// "1.20 s"; "2 min +" where the runtime knows no more than that.
std::string wait_of(const Json& row) {
  const std::string exact = ns_of(row, "wait_ns");
  if (!exact.empty()) return exact;
  const std::string at_least = ns_of(row, "wait_at_least_ns");
  return at_least.empty() ? at_least : at_least + " +";
}

}  // namespace

std::string snapshot_page(const Json& document, const ExportOptions& options) {
  const bool color = options.color;
  const Json& goroutines = document["goroutines"];
  const Json& target = document["target"];
  std::string out = styled(printable(text_of(target, "comm")), Style::kBold, color) + " (pid " + target["pid"].dump() +
                    "), " + text_of(target, "kind") + " " + text_of(target, "runtime_version") + ": " +
                    grouped(goroutines.size()) + " of " + grouped(document["total"]) + " goroutines\n";
  std::string states;
  for (const auto& [state, count] : document["states"].items()) {
    states += (states.empty() ? "" : ", ") + state + " " + grouped(count);
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
    table.row({text_of(row, "goid"), reason.empty() ? text_of(row, "status") : reason, wait_of(row), text_of(row, "fd"),
               text_of(row, "mode"), ns_of(row, "deadline_in_ns"), text_of(row, "local"), text_of(row, "peer"),
               text_of(row, "tcp_state"),
               row["foreign_change"] == true ? Cell(function + " (foreign epoll_ctl)", Style::kWarn) : Cell(function)});
  }
  if (!table.empty()) out += "\n" + table.text(color);
  const bool paused = document["paused_ns"] != 0;
  out += "\nread in " + ns_of(document, "took_ns") +
         (paused ? "; the target was stopped for " + ns_of(document, "paused_ns") + "\n"
                 : " while the target ran; it was not stopped\n");
  if (document["inconsistent"] != 0) {
    out += styled(text_of(document, "inconsistent") + " goroutines kept moving while they were read\n", Style::kWarn,
                  color);
  }
  return out;
}

}  // namespace netpoll::exporters
