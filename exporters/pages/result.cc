// The page of a result of run or stat: heading, latency, system calls, tracepoints, how it was counted.
#include <algorithm>

#include "exporters/pages/member.h"
#include "exporters/pages/pages.h"
#include "exporters/table.h"

namespace netpoll::exporters {
namespace {

std::string per_op_text(const Json& value) {
  if (!value.is_number()) return "";
  const double ratio = value.get<double>();
  return fixed(ratio, ratio != 0 && ratio < 0.001 ? 6 : ratio < 1 ? 4 : 2);
}

std::string rate_text(double per_second) {
  if (per_second >= 1e6) return fixed(per_second / 1e6, 2) + " M/s";
  if (per_second >= 1e3) return fixed(per_second / 1e3, 1) + " k/s";
  return fixed(per_second, 1) + "/s";
}

std::string errors_text(const Json& errors) {
  std::string out;
  if (!errors.is_object()) return out;
  for (const auto& [name, calls] : errors.items()) out += (out.empty() ? "" : ", ") + name + " " + count_text(calls);
  return out;
}

// "add 64, del 64" of epoll_ctl; "events 1,204, empty 3" of a wait call; nothing of others.
std::string details_text(const Json& row) {
  std::string out;
  const auto add = [&](const char* label, const Json& value) {
    if (is_count(value) && value > 0) out += (out.empty() ? "" : ", ") + (label + (" " + count_text(value)));
  };
  for (const char* op : {"add", "mod", "del"}) add(op, at(row, {"ops", op}));
  for (const char* figure : {"events", "empty", "timeouts"}) add(figure, at(row, {figure}));
  const Json& open = at(row, {"in_flight", "count"});
  if (!is_count(open) || open == 0) return out;
  out += (out.empty() ? "" : ", ") + count_text(open) + " in flight";
  if (at(row, {"in_flight", "before"}) == open) out += " since before";
  if (const Json& longest = at(row, {"in_flight", "longest_ns"}); is_count(longest)) {
    out += ", longest " + ns_text(longest);
  }
  return out;
}

// All time that was spent in a call while it was counted.
const char* time_member(const Json& row) { return is_count(at(row, {"window_ns"})) ? "window_ns" : "total_ns"; }
const Json& time_of(const Json& row) { return at(row, {time_member(row)}); }

// Of the calls that returned: how long the others will take nobody knows.
std::string mean_text(const Json& row) {
  const Json& total = at(row, {"total_ns"});
  const Json& returned = at(row, {"returned"});
  if (!is_count(total) || !is_count(returned) || returned == 0) return "";
  return human_ns(total.get<std::uint64_t>() / returned.get<std::uint64_t>());
}

bool has_figures(const Json& row) {
  const auto some = [](const Json& value) { return is_count(value) && value > 0; };
  return some(at(row, {"count"})) || some(at(row, {"in_flight", "count"})) || some(time_of(row));
}

// "1,204 (1,100-1,350)" of a repeated measurement whose figures differ; text makes a figure of either.
std::string with_spread(const Json& value, const Json& spread, std::string (*text)(const Json&)) {
  const Json &min = at(spread, {"min"}), &max = at(spread, {"max"});
  if (!is_count(min) || !is_count(max) || min == max) return text(value);
  return text(value) + " (" + text(min) + "-" + text(max) + ")";
}

std::string syscall_table(const Json& document, bool color) {
  const Json& syscalls = at(document, {"syscalls"});
  if (!syscalls.is_object()) return "";
  const Json& duration = at(document, {"duration_ns"});
  // Without operations the rate is what there is to say.
  const bool rates = at(document, {"operations"}).is_null() && is_count(duration) && duration > 0;
  Table table;
  table.column("syscall", Align::kLeft);
  table.column("calls", Align::kRight);
  table.column(rates ? "per second" : "per op", Align::kRight);
  table.column("time", Align::kRight);
  table.column("mean", Align::kRight);
  table.column("errors", Align::kLeft);
  table.column("", Align::kLeft);
  for (const auto& [name, row] : syscalls.items()) {
    const Json& count = at(row, {"count"});
    if (!has_figures(row)) continue;
    const std::string share =
        rates ? rate_text(count.get<double>() * 1e9 / duration.get<double>()) : per_op_text(at(row, {"per_op"}));
    const Json& spread = at(document, {"spread", "syscalls", name.c_str()});
    table.row({name, with_spread(count, at(spread, {"count"}), count_text), share,
               with_spread(time_of(row), at(spread, {time_member(row)}), ns_text), mean_text(row),
               errors_text(at(row, {"errors"})), Cell(details_text(row), Style::kDim)});
  }
  return table.empty() ? "no system call of the poller or around it was made\n" : table.text(color);
}

std::string tracepoint_table(const Json& document, bool color) {
  const Json& tracepoints = at(document, {"tracepoints"});
  if (!tracepoints.is_object()) return "";
  Table table;
  table.column("tracepoint", Align::kLeft);
  table.column("count", Align::kRight);
  table.column("per op", Align::kRight);
  for (const auto& [name, row] : tracepoints.items()) {
    const Json& count = at(row, {"count"});
    const Json& spread = at(document, {"spread", "tracepoints", name.c_str(), "count"});
    if (is_count(count) && count > 0) {
      table.row({name, with_spread(count, spread, count_text), per_op_text(at(row, {"per_op"}))});
    }
  }
  return table.text(color);
}

std::string run_heading(const Json& document, bool color) {
  const Json& workload = at(document, {"workload"});
  const Json& duration = at(document, {"duration_ns"});
  std::string out = styled(word(at(workload, {"name"})), Style::kBold, color);
  if (const Json& operations = at(document, {"operations"}); is_count(operations)) {
    out += ": " + count_text(operations) + (operations == 1 ? " operation" : " operations");
  }
  // With --serve the load comes from outside, with as many connections as it likes.
  const bool served = at(workload, {"serve_only"}) == true;
  if (const Json& conns = served ? at(document, {"server", "connections"}) : at(workload, {"conns"}); is_count(conns)) {
    out += ", " + count_text(conns) + (conns == 1 ? " connection" : " connections");
  }
  if (is_count(duration)) out += " in " + ns_text(duration);
  if (const Json& rate = at(document, {"operations_per_s"}); rate.is_number()) {
    out += ", " + rate_text(rate.get<double>());
  }
  out += "\npoll mode " + word(at(workload, {"poll_mode"})) + ", trigger " + word(at(workload, {"trigger"}));
  if (const Json& procs = at(workload, {"procs"}); is_count(procs)) {
    out += ", " + count_text(procs) + (procs == 1 ? " P" : " Ps");
  }
  if (const Json& cpu = at(document, {"server", "cpu_ns"}); is_count(cpu))
    out += "; server used " + ns_text(cpu) + " of CPU";
  return out + "\n";
}

std::string stat_heading(const Json& document, bool color) {
  const Json& target = at(document, {"target"});
  const Json& command = at(document, {"command"});
  std::string who = word(at(target, {"comm"}));
  if (command.is_array() && !command.empty()) {
    who.clear();
    for (const Json& part : command) who += (who.empty() ? "" : " ") + word(part);
  }
  const Json& targets = at(document, {"targets"});
  if (targets.is_array()) {
    who = std::to_string(targets.size()) + " processes";
  } else if (is_count(at(target, {"pid"}))) {
    who += " (pid " + at(target, {"pid"}).dump() + ")";
  }
  std::string out = styled(who, Style::kBold, color);
  if (const std::string runtime = runtime_text(target); !runtime.empty()) out += ", " + runtime;
  if (const Json& duration = at(document, {"duration_ns"}); is_count(duration)) {
    out += ", " + with_spread(duration, at(document, {"spread", "duration_ns"}), ns_text);
  }
  const Json& samples = at(document, {"samples"});
  if (samples.is_array()) out += ", medians of " + std::to_string(samples.size()) + " runs (least-greatest)";
  return out + "\n";
}

std::string latency_line(const Json& document) {
  const Json& latency = at(document, {"latency_ns"});
  std::string out;
  for (const auto& [key, label] : {std::pair("p50", "p50"), std::pair("p90", "p90"), std::pair("p99", "p99"),
                                   std::pair("p999", "p99.9"), std::pair("max", "max")}) {
    const std::string value = ns_text(at(latency, {key}));
    if (!value.empty()) out += std::string(out.empty() ? "latency " : ", ") + label + " " + value;
  }
  return out.empty() ? out : out + "\n";
}

std::string probe_line(const Json& document, bool color) {
  const std::string backend = word(at(document, {"probe", "backend"}));
  if (backend == "none") return "no probe was attached\n";
  std::string out = backend == "self" ? "counted by the runtime itself" : "counted by " + backend;
  const Json& lost = at(document, {"probe", "lost"});
  if (is_count(lost)) {
    out += lost == 0 ? ", nothing lost" : styled(", " + count_text(lost) + " lost", Style::kWarn, color);
  }
  if (const std::string note = word(at(document, {"probe", "overhead_note"})); !note.empty()) out += "; " + note;
  out += "\n";
  if (const Json& notes = at(document, {"probe", "notes"}); notes.is_array()) {
    for (const Json& note : notes) out += word(note) + "\n";
  }
  return out;
}

}  // namespace

std::string result_page(const Json& document, const ExportOptions& options) {
  const bool color = options.color;
  const bool is_run = at(document, {"workload"}).is_object();
  std::string out = is_run ? run_heading(document, color) : stat_heading(document, color);
  out += latency_line(document);
  for (const std::string& part : {syscall_table(document, color), tracepoint_table(document, color)}) {
    if (!part.empty()) out += "\n" + part;
  }
  out += "\n" + probe_line(document, color);
  if (at(document, {"interrupted"}) == true) out += "interrupted: these are the figures so far\n";
  return out;
}

std::string interval_line(const Json& interval) {
  const auto seconds = [](const Json& ns) { return fixed(ns.is_number() ? ns.get<double>() / 1e9 : 0, 1); };
  const Json& start = at(interval, {"start_ns"});
  const Json& duration = at(interval, {"duration_ns"});
  std::string out = seconds(start) + "-" + seconds(start.get<std::uint64_t>() + duration.get<std::uint64_t>()) + " s";
  const Json& syscalls = at(interval, {"syscalls"});
  if (!syscalls.is_object()) return out + "\n";
  for (const auto& [name, row] : syscalls.items()) {
    const Json& count = at(row, {"count"});
    if (!is_count(count) || count == 0) continue;
    out += "  " + name + " " + count_text(count);
    if (const std::string errors = errors_text(at(row, {"errors"})); !errors.empty()) out += " (" + errors + ")";
  }
  return out + "\n";
}

}  // namespace netpoll::exporters
