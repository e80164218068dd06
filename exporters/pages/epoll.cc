// The page of epoll: each instance with its registrations, then what is wrong, then how connections are spread.
#include "exporters/pages/member.h"
#include "exporters/pages/pages.h"
#include "exporters/table.h"
#include "exporters/text.h"

namespace netpoll::exporters {
namespace {

std::string joined(const Json& words, const char* separator) {
  std::string text;
  for (const Json& one : words) text += (text.empty() ? "" : separator) + (one.is_string() ? word(one) : compact(one));
  return text;
}

std::string queue_text(const Json& entry) {
  const Json& received = entry["recv_queue_bytes"];
  const Json& sent = entry["send_queue_bytes"];
  if (!is_count(received) && !is_count(sent)) return "";
  return count_text(received) + "/" + count_text(sent);
}

Table table_of(const Json& instance) {
  Table table;
  table.column("fd", Align::kRight);
  table.column("events", Align::kLeft);
  table.column("kind", Align::kLeft);
  table.column("local", Align::kLeft);
  table.column("peer", Align::kLeft);
  table.column("state", Align::kLeft);
  table.column("in/out", Align::kRight);
  table.column("finding", Align::kLeft);
  for (const Json& entry : instance["registrations"]) {
    const std::string state = word(entry["state"]);
    table.row({compact(entry["fd"]), joined(entry["events"], "|") + (entry["armed"] == true ? "" : " (not armed)"),
               word(entry["kind"]), word(entry["local"]), word(entry["peer"]),
               state == "open" ? word(entry["tcp_state"]) : state, queue_text(entry),
               Cell(joined(entry["findings"], ", "), Style::kBad)});
  }
  return table;
}

std::string heading(const Json& instance, bool color) {
  std::string out =
      styled("pid " + compact(instance["pid"]) + ", epoll fd " + compact(instance["epfd"]), Style::kBold, color);
  out += ": " + count_text(instance["total"]) + (instance["total"] == 1 ? " registration" : " registrations");
  if (!instance["waiting_threads"].empty())
    out += ", waited for by thread " + joined(instance["waiting_threads"], ", ");
  if (const Json& usecs = at(instance, {"busy_poll", "usecs"}); is_count(usecs) && usecs > 0) {
    out += ", polls the network card for " + count_text(usecs) + " us before it sleeps";
  }
  for (const Json& other : instance["shared_with"]) {
    out += ", also fd " + compact(other["fd"]) + " of " + word(other["comm"]) + " (pid " + compact(other["pid"]) + ")";
  }
  return out + "\n";
}

std::string findings_text(const Json& findings, bool color) {
  std::string out;
  for (const Json& f : findings) {
    out += styled(word(f["level"]), f["level"] == "error" ? Style::kBad : Style::kWarn, color) + ": fd " +
           compact(f["fd"]) + " in epoll fd " + compact(f["epfd"]) + " of pid " + compact(f["pid"]) + ": " +
           word(f["meaning"]) + " [" + word(f["rule"]) + "]\n  seen: " + word(f["evidence"]) +
           "\n  fix: " + word(f["fix"]) + "\n";
  }
  return out;
}

std::string change_line(const char* sign, const Json& row) {
  std::string out = std::string(sign) + " pid " + compact(row["pid"]) + " epoll fd " + compact(row["epfd"]) + " fd " +
                    compact(row["fd"]) + "  " + joined(row["events"], "|");
  if (row.contains("events_before")) out += " (was " + joined(row["events_before"], "|") + ")";
  for (const char* name : {"kind", "local", "peer"}) {
    if (row[name].is_string()) out += "  " + word(row[name]);
  }
  return out + "\n";
}

std::string share_text(const Json& row) {
  const Json& share = row["share"];
  return share.is_number() ? fixed(share.get<double>() * 100, 1) + " %" : "";
}

std::string imbalance_text(const Json& imbalance) {
  if (!imbalance.is_number()) return "";
  return "the fullest has " + fixed(imbalance.get<double>() * 100, 1) + " % more than the mean\n";
}

std::string workers_text(const Json& document, const ExportOptions& options) {
  if (document["workers"].size() < 2) return "";
  Table workers;
  workers.column("worker", Align::kLeft);
  workers.column("pid", Align::kRight);
  workers.column("connections", Align::kRight);
  workers.column("share", Align::kRight);
  for (const Json& w : document["workers"]) {
    workers.row({word(w["comm"]), compact(w["pid"]), count_text(w["connections"]), share_text(w)});
  }
  return "\n" + workers.text(options.color) + imbalance_text(document["imbalance"]);
}

// Where some process has more than one.
std::string loops_text(const Json& document, const ExportOptions& options) {
  const Json& loops = at(document, {"loops"});
  if (!loops.is_array() || loops.size() < 2 || loops.size() <= document["workers"].size()) return "";
  Table table;
  table.column("pid", Align::kRight);
  table.column("epoll fd", Align::kRight);
  table.column("waiting thread", Align::kLeft);
  table.column("connections", Align::kRight);
  table.column("share", Align::kRight);
  for (const Json& loop : loops) {
    std::string threads;
    for (const Json& thread : loop["threads"]) {
      threads += (threads.empty() ? "" : ", ") + word(thread["comm"]) + " " + compact(thread["tid"]);
    }
    table.row(
        {compact(loop["pid"]), compact(loop["epfd"]), threads, count_text(loop["connections"]), share_text(loop)});
  }
  return "\n" + table.text(options.color) + imbalance_text(document["loop_imbalance"]);
}

}  // namespace

std::string epoll_changes_text(const Json& changes) {
  std::string out;
  if (changes.contains("at")) out += word(changes["at"]) + "\n";
  for (const Json& row : changes["appeared"]) out += change_line("+", row);
  for (const Json& row : changes["gone"]) out += change_line("-", row);
  for (const Json& row : changes["changed"]) out += change_line("~", row);
  return out;
}

std::string epoll_page(const Json& document, const ExportOptions& options) {
  std::string out;
  for (const Json& instance : document["instances"]) {
    out += (out.empty() ? "" : "\n") + heading(instance, options.color);
    if (const Table table = table_of(instance); !table.empty()) out += table.text(options.color);
  }
  if (document["instances"].empty()) out += "no epoll instance\n";
  const std::string findings = findings_text(document["findings"], options.color);
  out += findings.empty() ? "\nnothing is wrong with these registrations\n" : "\n" + findings;
  if (const Json& diff = at(document, {"diff"}); diff.is_object()) {
    const std::string changes = epoll_changes_text(diff);
    out += changes.empty() ? "\nthe registrations are the same as before\n" : "\nsince the older view:\n" + changes;
  }
  return out + workers_text(document, options) + loops_text(document, options);
}

}  // namespace netpoll::exporters
