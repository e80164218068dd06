// Lines about a goroutine, a registration, a thread, a process or a group.
#include "cli/top/details.h"

#include <algorithm>
#include <cmath>

#include "cli/top/header.h"
#include "cli/top/table.h"
#include "exporters/goroutines/names.h"
#include "exporters/text.h"

namespace netpoll::cli {
namespace {

using exporters::grouped;
using exporters::human_ns;
using trace::Goroutine;

constexpr std::size_t kMostMembers = 200;

class Lines {
 public:
  explicit Lines(TextRules rules) : rules_(rules) {}

  void add(const std::string& text) { lines_.push_back(drawable(text, rules_)); }
  // Nothing for what is unknown.
  void add(const std::string& name, const std::string& value) {
    if (!value.empty()) add(name + std::string(name.size() < 14 ? 14 - name.size() : 1, ' ') + value);
  }
  void title(const std::string& text) {
    if (!lines_.empty()) add("");
    add(text);
  }
  std::vector<std::string> take() { return std::move(lines_); }

 private:
  TextRules rules_;
  std::vector<std::string> lines_;
};

std::string ns_text(const std::optional<std::int64_t>& ns) {
  return ns ? (*ns < 0 ? "-" : "") + human_ns(static_cast<std::uint64_t>(std::abs(*ns))) : std::string();
}

std::string bytes_text(const std::optional<std::uint64_t>& bytes) { return bytes ? grouped(*bytes) + " bytes" : ""; }

std::string process_text(const ProcessSample& process) {
  const probes::TargetInfo& target = process.facts.target;
  std::string text = target.comm.value_or("?") + " " + std::to_string(target.pid);
  if (target.exe) text += "  " + *target.exe;
  return text;
}

void add_peers(Lines& lines, const std::vector<trace::PeerProcess>& peers) {
  for (const trace::PeerProcess& peer : peers) {
    lines.add("peer process", peer.comm + " " + std::to_string(peer.pid) + ", fd " + std::to_string(peer.fd));
  }
}

void add_queues(Lines& lines, const std::string& tcp_state, const std::optional<std::uint64_t>& received,
                const std::optional<std::uint64_t>& unsent) {
  lines.add("tcp", tcp_state);
  if (tcp_state != "LISTEN") {
    lines.add("recv queue", bytes_text(received));
    lines.add("send queue", bytes_text(unsent));
  } else if (received) {
    lines.add("to accept", grouped(*received) + " of at most " + (unsent ? grouped(*unsent) : "?") + " connections");
  }
}

void add_goroutine(Lines& lines, const Goroutine& g, const ProcessSample& process, RowPeers& peers) {
  const trace::GoroutineSnapshot& snapshot = *process.goroutines;
  lines.add("goroutine", std::to_string(g.goid) +
                             (g.parent_goid ? ", started by " + std::to_string(*g.parent_goid) : std::string()) +
                             (g.locked_to_thread ? ", locked to its thread" : ""));
  lines.add("state", std::string(exporters::state_of(g)) + (g.syscall.empty() ? "" : " " + g.syscall) +
                         (g.becoming_ready ? ", about to run" : "") +
                         (g.stable ? "" : " (it moved while it was read)"));
  lines.add("waits", g.wait_ns            ? ns_text(g.wait_ns)
                     : g.wait_at_least_ns ? "at least " + ns_text(g.wait_at_least_ns)
                                          : "");
  if (g.io_wait)
    lines.add("deadline", !g.deadline_in_ns       ? "none"
                          : *g.deadline_in_ns < 0 ? "has passed"
                                                  : "in " + ns_text(g.deadline_in_ns));
  if (g.fd) {
    lines.add("descriptor", std::to_string(*g.fd) + (g.kind.empty() ? "" : ", " + g.kind) +
                                (g.mode ? *g.mode == trace::IoMode::kRead ? ", to read" : ", to write" : "") +
                                (g.fd_state.empty() ? "" : ", " + g.fd_state + " behind the runtime's back"));
  }
  lines.add("local", g.local);
  lines.add("peer", g.peer);
  add_queues(lines, g.tcp_state, g.recv_queue_bytes, g.send_queue_bytes);
  lines.add("socket idle", ns_text(g.socket_idle_ns));
  if (g.fd && g.fd_state.empty()) add_peers(lines, peers.of(process.facts.target.pid, *g.fd, g.local, g.peer));
  if (g.tid) lines.add("thread", std::to_string(*g.tid));
  for (const auto& [key, value] : g.labels) lines.add("label", key + "=" + value);
  for (const std::string& remark : g.remarks) lines.add("remark", remark);
  if (g.foreign_change) lines.add("remark", "somebody else's epoll_ctl touched its registration");

  const auto add_frame = [&](const trace::Frame& frame) {
    lines.add("  " + exporters::frame_name(frame));
    if (!frame.file.empty()) lines.add("      " + frame.file + ":" + std::to_string(frame.line));
  };
  lines.title("stack");
  for (const trace::Frame* frame : exporters::shown_frames(snapshot, g, /*everything=*/false)) add_frame(*frame);
  if (!g.stack_ends_early.empty()) lines.add("  (" + g.stack_ends_early + ")");
  if (const trace::Frame* creator = exporters::frame_at(snapshot, g.created_by)) {
    lines.add("created by");
    add_frame(*creator);
  }
}

void add_entry(Lines& lines, const RowItem& item, const TopRow& row, RowPeers& peers) {
  const probes::InterestEntry& e = *item.entry;
  lines.add("descriptor", std::to_string(e.fd) + ", " + std::string(e.file.kind) + ", in epoll instance " +
                              std::to_string(item.epfd));
  lines.add("events", row.mode + (e.armed() ? "" : " (disarmed)"));
  lines.add("blocking", e.nonblocking ? *e.nonblocking ? "no" : "yes" : "");
  lines.add("local", row.local);
  lines.add("peer", row.peer);
  add_queues(lines, row.tcp_state, e.file.recv_queue_bytes, e.file.send_queue_bytes);
  lines.add("data came", e.file.recv_idle_ns ? ns_text(e.file.recv_idle_ns) + " ago" : "");
  lines.add("data went", e.file.send_idle_ns ? ns_text(e.file.send_idle_ns) + " ago" : "");
  if (e.state == probes::NumberState::kSame && row.pid)
    add_peers(lines, peers.of(*row.pid, e.fd, e.file.local, e.file.peer));
  for (const trace::PeerProcess& holder : e.holders) {
    lines.add("kept open by", holder.comm + " " + std::to_string(holder.pid) + ", fd " + std::to_string(holder.fd));
  }
}

void add_thread(Lines& lines, const ThreadSample& thread, const TopRow& row) {
  lines.add("thread", std::to_string(thread.status.tid) + ", " + thread.status.comm);
  lines.add("state", std::string(1, thread.status.state) + (row.state.empty() ? "" : ", " + row.state));
  if (thread.cpu_percent) lines.add("cpu", exporters::fixed(*thread.cpu_percent, 1) + " %");
  if (thread.cpu_delay_percent) lines.add("waits for cpu", exporters::fixed(*thread.cpu_delay_percent, 1) + " %");
  lines.add("ran", ns_text(thread.status.cpu_ns));
  if (row.goid) lines.add("goroutine", std::to_string(*row.goid));
}

void add_process(Lines& lines, const ProcessSample& process) {
  const TopProcess& facts = process.facts;
  if (facts.target.kind) {
    lines.add("runtime", std::string(*facts.target.kind) + " " + facts.target.runtime_version.value_or(""));
  }
  if (facts.goroutines) lines.add("goroutines", grouped(*facts.goroutines));
  if (facts.io_waits) lines.add("in IO wait", grouped(*facts.io_waits));
  if (facts.registrations) lines.add("registrations", grouped(*facts.registrations));
  lines.add("threads", grouped(facts.threads));
  if (facts.cpu_percent) lines.add("cpu", exporters::fixed(*facts.cpu_percent, 1) + " %");
  if (!facts.rates) return;
  const auto rate = [&](const char* name, double value) { lines.add(name, exporters::fixed(value, 1) + "/s"); };
  rate("waits", facts.rates->waits);
  rate("events", facts.rates->wait_events);
  rate("empty waits", facts.rates->empty_waits);
  rate("epoll_ctl", facts.rates->epoll_ctl);
  rate("I/O calls", facts.rates->io_calls);
}

// The members of a group, the longest wait first.
void add_members(Lines& lines, const TopModel& model, const std::string& key) {
  const auto members = model.members(key);
  lines.title("members");
  std::size_t shown = 0;
  for (const RowItem& item : members) {
    if (++shown > kMostMembers) {
      lines.add("  and " + grouped(members.size() - kMostMembers) + " more");
      break;
    }
    std::string text = "  ";
    if (item.goroutine != nullptr) {
      text += "goroutine " + std::to_string(item.goroutine->goid) + "  " +
              std::string(exporters::state_of(*item.goroutine));
      if (item.wait_ns) text += "  " + ns_text(item.wait_ns);
      if (item.goroutine->fd) text += "  fd " + std::to_string(*item.goroutine->fd);
      if (!item.goroutine->peer.empty()) text += "  " + item.goroutine->peer;
    } else if (item.entry != nullptr) {
      text += "fd " + std::to_string(item.entry->fd) + "  " + item.entry->file.local + "  " + item.entry->file.peer;
    }
    lines.add(text);
  }
}

void add_history(Lines& lines, const TopModel& model, std::size_t rank, TextRules rules) {
  const Trend* trend = model.trend(rank);
  if (trend == nullptr) return;
  const TopFigure figure = figure_of(model.view());
  const std::vector<float> points = trend->points();
  lines.title(std::string("history of ") + figure_name(figure));
  lines.add("  " + sparkline(points, points.size(), rules));
  const auto& looks = model.looks();
  for (std::size_t age = 0; age < std::min(points.size(), looks.size()); ++age) {
    const std::string value = figure_text(points[points.size() - 1 - age], figure);
    lines.add("  " + clock_text(looks[looks.size() - 1 - age]) + "  " + (value.empty() ? "unknown" : value));
  }
}

}  // namespace

const std::vector<trace::PeerProcess>& RowPeers::of(pid_t pid, int fd, const std::string& local,
                                                    const std::string& peer) {
  std::tuple asked(pid, fd, local, peer);
  if (asked != known_) {
    peers_ = find_(pid, fd);
    known_ = std::move(asked);
  }
  return peers_;
}

std::vector<std::string> details_of(const TopModel& model, std::size_t rank, TextRules rules, RowPeers& peers) {
  Lines lines(rules);
  const RowItem& item = model.item(rank);
  const TopRow row = model.row(rank);
  const bool group = is_group(model.view());
  if (group) {
    lines.add(model.view().name(), row.key);
    lines.add("count", grouped(row.count));
    lines.add("longest wait", ns_text(row.wait_ns));
    lines.add("recv queues", bytes_text(row.recv_queue_bytes));
    lines.add("send queues", bytes_text(row.send_queue_bytes));
  }
  if (item.process != nullptr && !group) lines.add("process", process_text(*item.process));
  if (item.thread != nullptr) add_thread(lines, *item.thread, row);
  if (model.view().kind == TopView::Kind::kProcess && item.process != nullptr) add_process(lines, *item.process);
  if (item.goroutine != nullptr) {
    if (group) lines.title("the one that has waited longest");
    // A group of several processes does not say whose this one is.
    if (const ProcessSample* process = item.process != nullptr ? item.process : model.process_of(*item.goroutine)) {
      add_goroutine(lines, *item.goroutine, *process, peers);
    }
  }
  if (item.entry != nullptr && !group) add_entry(lines, item, row, peers);
  add_history(lines, model, rank, rules);
  if (group) add_members(lines, model, row.key);
  return lines.take();
}

}  // namespace netpoll::cli
