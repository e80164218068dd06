// The page of trace --summary: what waits came to, system calls, tracepoints, and who waited longest.
#include <algorithm>

#include "exporters/json.h"
#include "exporters/pages/heading.h"
#include "exporters/pages/member.h"
#include "exporters/pages/pages.h"
#include "exporters/table.h"
#include "exporters/text.h"

namespace netpoll::exporters {
namespace {

void quantile_columns(Table& table) {
  for (const char* heading : {"p50", "p90", "p99", "max"}) table.column(heading, Align::kRight);
}

void add_quantiles(std::vector<Cell>& cells, const Json& times) {
  for (const char* name : {"p50", "p90", "p99", "max"}) cells.emplace_back(ns_text(at(times, {name})));
}

std::string waits_table(const Json& document, bool color) {
  Table table;
  table.column("waited for", Align::kLeft);
  table.column("times", Align::kRight);
  quantile_columns(table);
  for (const auto& [member, label] :
       {std::pair("network_wait_ns", "the network"), std::pair("cpu_wait_ns", "then a CPU")}) {
    const Json& times = at(document, {member});
    if (!times.is_object()) continue;
    std::vector<Cell> cells = {label, count_text(at(times, {"count"}))};
    add_quantiles(cells, times);
    table.row(std::move(cells));
  }
  return table.empty() ? "" : table.text(color);
}

std::string errors_text(const Json& errors) {
  std::string out;
  if (!errors.is_object()) return out;
  for (const auto& [name, count] : errors.items()) {
    out += (out.empty() ? "" : ", ") + printable(name) + " " + count_text(count);
  }
  return out;
}

// Of the calls those that the times are without.
std::string untimed_text(const Json& row) {
  std::string out;
  const auto add = [&](const char* count, const char* what, const char* time, const char* how) {
    const Json& calls = at(row, {count});
    if (!is_count(calls) || calls == 0) return;
    const Json& ns = at(row, {time});
    out += (out.empty() ? "" : "; ") + count_text(calls) + what;
    if (is_count(ns) && ns > 0) out += std::string(", ") + how + ns_text(ns);
  };
  add("unfinished", " unfinished", "longest_unfinished_ns", "longest ");
  add("before", " began before", "before_ns", ">= ");
  return out;
}

// Those that took the most time first.
std::string calls_table(const Json& calls, const char* what, bool color) {
  if (!calls.is_object()) return "";
  std::vector<std::pair<std::string, const Json*>> rows;
  for (const auto& [name, row] : calls.items()) rows.emplace_back(name, &row);
  const auto cost = [](const Json& row) {
    const Json& total = at(row, {"total_ns"});
    return is_count(total) ? total.get<std::uint64_t>() : 0;
  };
  std::stable_sort(rows.begin(), rows.end(),
                   [&](const auto& a, const auto& b) { return cost(*a.second) > cost(*b.second); });
  Table table;
  table.column(what, Align::kLeft);
  table.column("calls", Align::kRight);
  table.column("time", Align::kRight);
  quantile_columns(table);
  table.column("errors", Align::kLeft);
  table.column("", Align::kLeft);
  for (const auto& [name, entry] : rows) {
    const Json& row = *entry;
    std::vector<Cell> cells = {name, count_text(at(row, {"count"})), ns_text(at(row, {"total_ns"}))};
    add_quantiles(cells, at(row, {"duration_ns"}));
    cells.emplace_back(errors_text(at(row, {"errors"})));
    cells.emplace_back(untimed_text(row), Style::kDim);
    table.row(std::move(cells));
  }
  return table.empty() ? "" : table.text(color);
}

std::string counts_line(const Json& counts, const std::string& label) {
  std::string out;
  if (!counts.is_object()) return out;
  for (const auto& [name, count] : counts.items()) {
    if (is_count(count) && count > 0) out += (out.empty() ? "" : ", ") + printable(name) + " " + count_text(count);
  }
  return out.empty() ? out : label + out + "\n";
}

std::string labels_text(const Json& labels) {
  std::string out;
  if (!labels.is_object()) return out;
  for (const auto& [name, value] : labels.items()) {
    out += (out.empty() ? "" : ", ") + printable(name) + "=" + word(value);
  }
  return out;
}

std::string slowest_table(const Json& document, const char* by, const std::string& title, bool color) {
  const Json& rows = at(document, {"slowest", by});
  if (!rows.is_array()) return "";
  Table table;
  table.column("pid", Align::kRight);
  table.column("fd", Align::kRight);
  table.column("goroutine", Align::kRight);
  table.column("waits", Align::kRight);
  table.column("network", Align::kRight);
  table.column("longest", Align::kRight);
  table.column("CPU", Align::kRight);
  table.column("longest", Align::kRight);
  table.column("local", Align::kLeft);
  table.column("peer", Align::kLeft);
  table.column("labels", Align::kLeft);
  bool partial = false;
  for (const Json& row : rows) {
    const bool some = at(row, {"partial"}) == true;
    partial = partial || some;
    const auto total = [&](const char* member) {
      const std::string text = ns_text(at(row, {member, "total"}));
      return some ? ">= " + text : text;
    };
    const std::string waits = count_text(at(row, {"waits"}));
    table.row({count_text(at(row, {"pid"})).empty() ? "" : compact(at(row, {"pid"})),
               is_count(at(row, {"fd"})) ? compact(at(row, {"fd"})) : "",
               is_count(at(row, {"goid"})) ? compact(at(row, {"goid"})) : "", some ? ">= " + waits : waits,
               total("network_wait_ns"), ns_text(at(row, {"network_wait_ns", "max"})), total("cpu_wait_ns"),
               ns_text(at(row, {"cpu_wait_ns", "max"})), word(at(row, {"local"})), word(at(row, {"peer"})),
               labels_text(at(row, {"labels"}))});
  }
  if (table.empty()) return "";
  return title + "\n" + table.text(color) +
         (partial ? ">=: waits before it was among the longest are not in the sum\n" : "");
}

std::string losses_line(const Json& document, bool color) {
  const std::string backend = word(at(document, {"probe", "backend"}));
  const Json& lost = at(document, {"lost"});
  std::string out = "seen by " + backend;
  if (is_count(lost)) {
    out += lost == 0 ? ", nothing lost" : styled(", " + count_text(lost) + " lost", Style::kWarn, color);
  }
  if (const std::string note = word(at(document, {"probe", "overhead_note"})); !note.empty()) out += "; " + note;
  return out + "\n";
}

}  // namespace

std::string trace_summary_page(const Json& document, const ExportOptions& options) {
  const bool color = options.color;
  std::string out = target_heading(document, color);
  if (const std::string duration = ns_text(at(document, {"duration_ns"})); !duration.empty()) out += ", " + duration;
  out += ", " + count_text(at(document, {"events"})) + (at(document, {"events"}) == 1 ? " event" : " events") + "\n";
  const std::string lines = counts_line(at(document, {"steps"}), "connections  ") +
                            counts_line(at(document, {"tracepoints"}), "tracepoints  ") +
                            counts_line(at(document, {"processes"}), "processes    ");
  for (const std::string& part :
       {waits_table(document, color), calls_table(at(document, {"syscalls"}), "syscall", color),
        calls_table(at(document, {"io_uring"}), "io_uring", color), lines,
        slowest_table(document, "cpu_wait", "longest waits for a CPU", color),
        slowest_table(document, "network_wait", "longest waits for the network", color)}) {
    if (!part.empty()) out += "\n" + part;
  }
  out += "\n" + losses_line(document, color);
  if (at(document, {"interrupted"}) == true) out += "interrupted: these are the figures until then\n";
  return out;
}

}  // namespace netpoll::exporters
