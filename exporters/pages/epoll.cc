// The page of epoll: each instance with its registrations, then what is wrong, then how connections are spread.
#include "exporters/json.h"
#include "exporters/pages/long_epoll.h"
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
  const Json& received = at(entry, {"recv_queue_bytes"});
  const Json& sent = at(entry, {"send_queue_bytes"});
  if (!is_count(received) && !is_count(sent)) return "";
  return count_text(received) + "/" + count_text(sent);
}

Table table_of(const Json& instance, const PlacedLists& lists) {
  Table table;
  table.column("fd", Align::kRight);
  table.column("events", Align::kLeft);
  table.column("kind", Align::kLeft);
  table.column("local", Align::kLeft);
  table.column("peer", Align::kLeft);
  table.column("state", Align::kLeft);
  table.column("in/out", Align::kRight);
  table.column("finding", Align::kLeft);
  lists.for_each(at(instance, {"registrations"}), [&](const Json& entry) {
    const std::string state = word(at(entry, {"state"}));
    table.row({compact(at(entry, {"fd"})),
               joined(at(entry, {"events"}), "|") + (at(entry, {"armed"}) == true ? "" : " (not armed)"),
               word(at(entry, {"kind"})), word(at(entry, {"local"})), word(at(entry, {"peer"})),
               state == "open" ? word(at(entry, {"tcp_state"})) : state, queue_text(entry),
               Cell(joined(at(entry, {"findings"}), ", "), Style::kBad)});
  });
  return table;
}

std::string heading(const Json& instance, bool color) {
  std::string out = styled("pid " + compact(at(instance, {"pid"})) + ", epoll fd " + compact(at(instance, {"epfd"})),
                           Style::kBold, color);
  out +=
      ": " + count_text(at(instance, {"total"})) + (at(instance, {"total"}) == 1 ? " registration" : " registrations");
  if (!at(instance, {"waiting_threads"}).empty())
    out += ", waited for by thread " + joined(at(instance, {"waiting_threads"}), ", ");
  if (const Json& usecs = at(instance, {"busy_poll", "usecs"}); is_count(usecs) && usecs > 0) {
    out += ", polls the network card for " + count_text(usecs) + " us before it sleeps";
  }
  for (const Json& other : at(instance, {"shared_with"})) {
    out += ", also fd " + compact(at(other, {"fd"})) + " of " + word(at(other, {"comm"})) + " (pid " +
           compact(at(other, {"pid"})) + ")";
  }
  return out + "\n";
}

std::string findings_text(const Json& findings, const PlacedLists& lists, bool color) {
  std::string out;
  lists.for_each(findings, [&](const Json& f) {
    out += styled(word(at(f, {"level"})), at(f, {"level"}) == "error" ? Style::kBad : Style::kWarn, color) + ": fd " +
           compact(at(f, {"fd"})) + " in epoll fd " + compact(at(f, {"epfd"})) + " of pid " + compact(at(f, {"pid"})) +
           ": " + word(at(f, {"meaning"})) + " [" + word(at(f, {"rule"})) + "]\n  seen: " + word(at(f, {"evidence"})) +
           "\n  fix: " + word(at(f, {"fix"})) + "\n";
  });
  return out;
}

std::string change_line(const char* sign, const Json& row) {
  std::string out = std::string(sign) + " pid " + compact(at(row, {"pid"})) + " epoll fd " +
                    compact(at(row, {"epfd"})) + " fd " + compact(at(row, {"fd"})) + "  " +
                    joined(at(row, {"events"}), "|");
  if (row.contains("events_before")) out += " (was " + joined(at(row, {"events_before"}), "|") + ")";
  for (const char* name : {"kind", "local", "peer"}) {
    if (row[name].is_string()) out += "  " + word(row[name]);
  }
  return out + "\n";
}

std::string share_text(const Json& row) {
  const Json& share = at(row, {"share"});
  return share.is_number() ? fixed(share.get<double>() * 100, 1) + " %" : "";
}

std::string imbalance_text(const Json& imbalance) {
  if (!imbalance.is_number()) return "";
  return "the fullest has " + fixed(imbalance.get<double>() * 100, 1) + " % more than the mean\n";
}

std::string workers_text(const Json& document, const ExportOptions& options) {
  if (at(document, {"workers"}).size() < 2) return "";
  Table workers;
  workers.column("worker", Align::kLeft);
  workers.column("pid", Align::kRight);
  workers.column("connections", Align::kRight);
  workers.column("share", Align::kRight);
  for (const Json& w : at(document, {"workers"})) {
    workers.row({word(at(w, {"comm"})), compact(at(w, {"pid"})), count_text(at(w, {"connections"})), share_text(w)});
  }
  return "\n" + workers.text(options.color) + imbalance_text(at(document, {"imbalance"}));
}

// Where some process has more than one.
std::string loops_text(const Json& document, const ExportOptions& options) {
  const Json& loops = at(document, {"loops"});
  if (!loops.is_array() || loops.size() < 2 || loops.size() <= at(document, {"workers"}).size()) return "";
  Table table;
  table.column("pid", Align::kRight);
  table.column("epoll fd", Align::kRight);
  table.column("waiting thread", Align::kLeft);
  table.column("connections", Align::kRight);
  table.column("share", Align::kRight);
  for (const Json& loop : loops) {
    std::string threads;
    for (const Json& thread : at(loop, {"threads"})) {
      threads += (threads.empty() ? "" : ", ") + word(at(thread, {"comm"})) + " " + compact(at(thread, {"tid"}));
    }
    table.row({compact(at(loop, {"pid"})), compact(at(loop, {"epfd"})), threads, count_text(at(loop, {"connections"})),
               share_text(loop)});
  }
  return "\n" + table.text(options.color) + imbalance_text(at(document, {"loop_imbalance"}));
}

// One line each.
std::string rings_text(const Json& document, bool color) {
  std::string out;
  for (const Json& ring : at(document, {"io_uring"})) {
    std::string line;
    const auto add = [&](const char* member, const std::string& what) {
      const Json& count = at(ring, {member});
      if (!is_count(count) || count == 0) return;
      line += (line.empty() ? ": " : ", ") + count_text(count) + what;
    };
    add("sq_entries", " submissions");
    add("cq_entries", " completions have room");
    add("queued", " to be submitted");
    add("completed", " to be taken");
    add("overflowed", " beyond its room");
    add("polls", " polls under way");
    add("registered_files", " registered files");
    if (const Json& thread = at(ring, {"sq_thread"}); is_count(thread)) {
      line += (line.empty() ? ": " : ", ") + ("polled by thread " + compact(thread));
    }
    out += styled("pid " + compact(at(ring, {"pid"})) + ", io_uring fd " + compact(at(ring, {"fd"})), Style::kBold,
                  color) +
           line + "\n";
  }
  return out.empty() ? out : "\n" + out;
}

std::string page_of(const Json& document, const PlacedLists& lists, const ExportOptions& options) {
  std::string out;
  for (const Json& instance : at(document, {"instances"})) {
    out += (out.empty() ? "" : "\n") + heading(instance, options.color);
    if (const Table table = table_of(instance, lists); !table.empty()) out += table.text(options.color);
  }
  if (at(document, {"instances"}).empty()) out += "no epoll instance\n";
  out += rings_text(document, options.color);
  const std::string findings = findings_text(at(document, {"findings"}), lists, options.color);
  out += findings.empty() ? "\nnothing is wrong with these registrations\n" : "\n" + findings;
  if (const Json& diff = at(document, {"diff"}); diff.is_object()) {
    const std::string changes = epoll_changes_text(diff);
    out += changes.empty() ? "\nthe registrations are the same as before\n" : "\nsince the older view:\n" + changes;
  }
  return out + workers_text(document, options) + loops_text(document, options);
}

}  // namespace

std::string epoll_changes_text(const Json& changes) {
  std::string out;
  if (changes.contains("at")) out += word(at(changes, {"at"})) + "\n";
  for (const Json& row : at(changes, {"appeared"})) out += change_line("+", row);
  for (const Json& row : at(changes, {"gone"})) out += change_line("-", row);
  for (const Json& row : at(changes, {"changed"})) out += change_line("~", row);
  return out;
}

std::string epoll_page(const Json& document, const ExportOptions& options) { return page_of(document, {}, options); }

std::string long_epoll_page(const LongDocument& document, const ExportOptions& options) {
  return page_of(document.head, PlacedLists(document), options);
}

}  // namespace netpoll::exporters
