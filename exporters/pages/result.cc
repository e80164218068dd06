// The page of a result of run or stat: heading, latency, system calls, tracepoints, how it was counted.
#include <algorithm>

#include "exporters/json.h"
#include "exporters/pages/heading.h"
#include "exporters/pages/member.h"
#include "exporters/pages/pages.h"
#include "exporters/table.h"
#include "exporters/text.h"

namespace netpoll::exporters {
namespace {

constexpr std::size_t kLastEventBucket = 15;  // of .events_log2: open

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

std::string percent_text(const Json& share) {
  const double percent = share.get<double>() * 100;
  return fixed(percent, percent < 10 ? 1 : 0) + " %";
}

// "EAGAIN 17 (50 %), EPIPE 1"; the share where the row has one.
std::string errors_text(const Json& row) {
  std::string out;
  const Json& errors = at(row, {"errors"});
  if (!errors.is_object()) return out;
  for (const auto& [name, calls] : errors.items()) {
    out += (out.empty() ? "" : ", ") + name + " " + count_text(calls);
    const Json& share = at(row, {"eagain_share"});
    if (name == "EAGAIN" && share.is_number()) out += " (" + percent_text(share) + ")";
  }
  return out;
}

std::string bytes_text(std::uint64_t bytes) {
  static constexpr const char* kUnits[] = {"kB", "MB", "GB", "TB"};
  if (bytes < 1000) return std::to_string(bytes) + " B";
  double value = static_cast<double>(bytes) / 1000;
  std::size_t unit = 0;
  while (value >= 999.5 && unit + 1 < std::size(kUnits)) value /= 1000, ++unit;
  return fixed(value, value < 9.995 ? 2 : value < 99.95 ? 1 : 0) + " " + kUnits[unit];
}

// "add 64, del 64" of epoll_ctl; "events 1,204, empty 3" of a wait call; "1.20 MB" of a transfer; nothing of others.
std::string details_text(const Json& row) {
  std::string out;
  const auto add = [&](const char* label, const Json& value) {
    if (is_count(value) && value > 0) out += (out.empty() ? "" : ", ") + (label + (" " + count_text(value)));
  };
  for (const char* op : {"add", "mod", "del"}) add(op, at(row, {"ops", op}));
  for (const char* figure : {"events", "empty", "timeouts"}) add(figure, at(row, {figure}));
  if (const Json& bytes = at(row, {"bytes"}); is_count(bytes) && bytes > 0)
    out += bytes_text(bytes.get<std::uint64_t>());
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

// The rows that have something to show, those that took the most time first; without times, the most calls.
std::vector<std::pair<std::string, const Json*>> by_cost(const Json& syscalls) {
  std::vector<std::pair<std::string, const Json*>> rows;
  for (const auto& [name, row] : syscalls.items()) {
    if (has_figures(row)) rows.emplace_back(name, &row);
  }
  const auto cost = [](const Json& row) {
    const auto number = [](const Json& value) { return is_count(value) ? value.get<std::uint64_t>() : 0; };
    return std::pair(number(time_of(row)), number(at(row, {"count"})));
  };
  std::stable_sort(rows.begin(), rows.end(),
                   [&](const auto& a, const auto& b) { return cost(*a.second) > cost(*b.second); });
  return rows;
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
  const Json& per = at(document, {"per"});
  const std::string per_what = per.is_string() ? "per " + word(per)
                               : is_count(per) ? "per " + count_text(per)
                                               : "per op";
  table.column(rates ? "per second" : per_what, Align::kRight);
  table.column("time", Align::kRight);
  table.column("mean", Align::kRight);
  table.column("p50", Align::kRight);
  table.column("p99", Align::kRight);
  table.column("errors", Align::kLeft);
  table.column("", Align::kLeft);
  for (const auto& [name, entry] : by_cost(syscalls)) {
    const Json& row = *entry;
    const Json& count = at(row, {"count"});
    const std::string share =
        rates ? rate_text(count.get<double>() * 1e9 / duration.get<double>()) : per_op_text(at(row, {"per_op"}));
    const Json& spread = at(document, {"spread", "syscalls", name.c_str()});
    table.row({name, with_spread(count, at(spread, {"count"}), count_text), share,
               with_spread(time_of(row), at(spread, {time_member(row)}), ns_text), mean_text(row),
               ns_text(at(row, {"latency_ns", "p50"})), ns_text(at(row, {"latency_ns", "p99"})), errors_text(row),
               Cell(details_text(row), Style::kDim)});
  }
  return table.empty() ? "no system call of the poller or around it was made\n" : table.text(color);
}

std::string listed(const std::string& list, const std::string& more) {
  return list.empty() ? more : list + ", " + more;
}

// "0: 5, 1: 1,100, 2-3: 90" of a histogram by powers of two.
std::string events_text(const Json& histogram) {
  std::string out;
  if (!histogram.is_array()) return out;
  for (std::size_t i = 0; i < histogram.size(); ++i) {
    if (!is_count(histogram[i]) || histogram[i] == 0) continue;
    const std::uint64_t least = i == 0 ? 0 : std::uint64_t{1} << (i - 1);
    const bool open = i == kLastEventBucket;
    std::string range = grouped(least) + (open ? "+" : i > 1 ? "-" + grouped(2 * least - 1) : "");
    out = listed(out, range + ": " + count_text(histogram[i]));
  }
  return out;
}

// What waits of the poller were asked for, whether they slept, and what they brought; empty when there were none.
std::string poll_lines(const Json& document) {
  const Json& poll = at(document, {"poll"});
  const Json& returned = at(poll, {"returned"});
  if (!is_count(returned) || returned == 0) return "";
  std::string out;
  if (const Json& slept = at(poll, {"blocked", "count"}); is_count(slept)) {
    const auto at_once =
        returned.get<std::uint64_t>() - std::min(returned.get<std::uint64_t>(), slept.get<std::uint64_t>());
    out += "epoll waits     " + count_text(slept) + " slept (" + ns_text(at(poll, {"blocked", "total_ns"})) + ")";
    if (const Json& rate = at(poll, {"wakeups_per_s"}); rate.is_number()) {
      out += ", " + rate_text(rate.get<double>()) + " woken";
    }
    out += ", " + grouped(at_once) + " returned at once\n";
  }
  std::string asked;
  for (const auto& [key, label] :
       {std::pair("zero", "0"), std::pair("timed", "a time"), std::pair("forever", "for ever")}) {
    const Json& calls = at(poll, {"asked", key});
    if (is_count(calls) && calls > 0) asked = listed(asked, std::string(label) + ": " + count_text(calls));
  }
  if (!asked.empty()) out += "epoll timeouts  " + asked + "\n";
  if (const std::string events = events_text(at(poll, {"events_log2"})); !events.empty()) {
    out += "epoll events    " + events + "\n";
  }
  return out;
}

struct DerivedRow {
  const char* name;
  const char* label;
  bool share;
  const char* why;
};
constexpr DerivedRow kDerived[] = {
    {"rearms_per_event", "re-arms per event", false,
     "epoll_ctl MOD for each event: 1 is EPOLLONESHOT, one system call more a request than EPOLLET or the level"},
    {"zero_polls_per_event", "zero-timeout polls per event", false,
     "looks without waiting for each event: high when a scheduler looks often and finds little"},
    {"spurious_wakeup_share", "spurious wake-ups", true,
     "waits that brought events, after which the thread's first call for data found none: another was faster, or the "
     "event told of something else"},
    {"accepts_per_connection", "accepts per connection", false,
     "1 is ideal; many when all workers wake for each connection (EPOLLEXCLUSIVE or SO_REUSEPORT help), 2 where a server "
     "accepts until EAGAIN"},
};

// verbose: with what each means, a line for each.
std::string derived_lines(const Json& document, bool verbose) {
  std::string out;
  const Json& derived = at(document, {"derived"});
  for (const DerivedRow& row : kDerived) {
    const Json& value = at(derived, {row.name});
    if (!value.is_number() || value == 0) continue;
    const std::string figure = row.share ? percent_text(value) : fixed(value.get<double>(), 2);
    if (verbose) {
      out += std::string(row.label) + " " + figure + ": " + row.why + "\n";
    } else {
      out = listed(out, std::string(row.label) + " " + figure);
    }
  }
  return out.empty() || verbose ? out : out + "\n";
}

std::string group_name(const Json& row, const std::string& by) {
  if (by == "cgroup") return word(at(row, {at(row, {"cgroup"}).is_string() ? "cgroup" : "cgroup_id"}));
  return both_numbers(row);
}

// The two calls that took the most time, or were the most.
std::string main_calls(const Json& syscalls) {
  std::vector<std::pair<std::uint64_t, std::string>> calls;
  for (const auto& [name, call] : syscalls.items()) {
    calls.emplace_back(at(call, {"count"}).get<std::uint64_t>(), name);
  }
  std::stable_sort(calls.begin(), calls.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
  std::string out;
  for (std::size_t i = 0; i < std::min<std::size_t>(2, calls.size()); ++i) {
    out = listed(out, calls[i].second + " " + grouped(calls[i].first));
  }
  return out;
}

constexpr std::size_t kGroupRows = 40;

// Figures of each process, thread, descriptor or cgroup; the first of many.
std::string group_table(const Json& document, const ExportOptions& options) {
  const Json& groups = at(document, {"groups"});
  const Json& rows = at(groups, {"rows"});
  if (!rows.is_array()) return "";
  const std::string by = word(at(groups, {"by"}));
  Table table;
  table.column(by == "cgroup" ? "cgroup" : "pid", by == "cgroup" ? Align::kLeft : Align::kRight);
  table.column("tid", Align::kRight);
  table.column("fd", Align::kRight);
  table.column("command", Align::kLeft);
  table.column("calls", Align::kRight);
  table.column("share", Align::kRight);
  table.column("time", Align::kRight);
  table.column("errors", Align::kRight);
  table.column("bytes", Align::kRight);
  table.column("most", Align::kLeft);
  table.column("local", Align::kLeft);
  table.column("peer", Align::kLeft);
  const std::size_t shown = options.everything ? rows.size() : std::min(rows.size(), kGroupRows);
  for (std::size_t i = 0; i < shown; ++i) {
    const Json& row = rows[i];
    const Json& bytes = at(row, {"bytes"});
    const auto number = [&](const char* name) { return row.contains(name) ? compact(row[name]) : std::string(); };
    table.row({group_name(row, by), number("tid"), number("fd"), word(at(row, {"comm"})),
               count_text(at(row, {"count"})), percent_text(at(row, {"share"})), ns_text(at(row, {"total_ns"})),
               count_text(at(row, {"errors"})),
               is_count(bytes) && bytes > 0 ? bytes_text(bytes.get<std::uint64_t>()) : "",
               main_calls(at(row, {"syscalls"})), word(at(row, {"local"})), word(at(row, {"peer"}))});
  }
  std::string out = table.text(options.color);
  if (shown < rows.size()) out += "and " + grouped(rows.size() - shown) + " more; -v shows them, and JSON has all\n";
  const Json& imbalance = at(groups, {"imbalance"});
  if (imbalance.is_number() && rows.size() > 1) {
    out += "the busiest makes " + fixed(imbalance.get<double>() * 100, 1) + " % more calls than the mean\n";
  }
  return out;
}

std::string socket_calls_line(const Json& document) {
  const Json& calls = at(document, {"socket_calls"});
  std::string out;
  if (!calls.is_object()) return out;
  for (const auto& [name, count] : calls.items()) out = listed(out, name + " " + count_text(count));
  return out.empty() ? out : "beside these, on sockets: " + out + "\n";
}

std::string uring_line(const Json& document) {
  const Json& uring = at(document, {"io_uring"});
  const Json& submitted = at(uring, {"submitted"});
  if (!is_count(submitted) || submitted == 0) return "";
  std::string out;
  for (const auto& [name, count] : at(uring, {"ops"}).items()) out = listed(out, name + " " + count_text(count));
  return "past the system calls, by io_uring: " + out + "\n";
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
  std::string out = target_heading(document, color);
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
  for (const std::string& part : {syscall_table(document, color) + socket_calls_line(document) + uring_line(document),
                                  poll_lines(document) + derived_lines(document, options.everything),
                                  group_table(document, options), tracepoint_table(document, color)}) {
    if (!part.empty()) out += "\n" + part;
  }
  out += "\n" + probe_line(document, color);
  if (at(document, {"interrupted"}) == true) out += "interrupted: these are the figures so far\n";
  return out;
}

std::string interval_text(const Json& interval, const ExportOptions& options) {
  const auto start = at(interval, {"start_ns"}).get<std::uint64_t>();
  const auto duration = at(interval, {"duration_ns"}).get<std::uint64_t>();
  // Enough decimals to tell one interval from the next.
  const int decimals = duration >= 900'000'000 ? 1 : duration >= 90'000'000 ? 2 : 3;
  const auto seconds = [&](std::uint64_t ns) { return fixed(static_cast<double>(ns) / 1e9, decimals); };
  std::string out = seconds(start) + "-" + seconds(start + duration) + " s";
  const Json& syscalls = at(interval, {"syscalls"});
  const Json none = Json::object();
  for (const auto& [name, row] : (syscalls.is_object() ? syscalls : none).items()) {
    const Json& count = at(row, {"count"});
    if (!is_count(count) || count == 0) continue;
    out += "  " + name + " " + count_text(count);
    if (const std::string errors = errors_text(row); !errors.empty()) out += " (" + errors + ")";
  }
  out += "\n";
  const std::string groups = group_table(interval, options);
  return groups.empty() ? out : out + groups + "\n";
}

}  // namespace netpoll::exporters
