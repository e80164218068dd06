// Puts goroutines, registrations, threads and processes into rows.
#include "cli/top/view.h"

#include <sys/epoll.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <unordered_map>

#include "cli/spell.h"
#include "exporters/goroutines/names.h"
#include "probes/process/blocking_calls.h"
#include "probes/process/descriptors/epoll_findings.h"

namespace netpoll::cli {
namespace {

using Kind = TopView::Kind;
using probes::InterestEntry;
using trace::Goroutine;
using trace::GoroutineSnapshot;

constexpr std::string_view kLabelPrefix = "label:";

struct ViewRow {
  Kind kind;
  const char* name;
  TopFigure figure;
  TopColumn sort;
};
constexpr ViewRow kViews[] = {
    {Kind::kGoroutine, "goroutine", TopFigure::kWait, TopColumn::kWait},
    {Kind::kPeer, "peer", TopFigure::kCount, TopColumn::kCount},
    {Kind::kFd, "fd", TopFigure::kQueue, TopColumn::kReceived},
    {Kind::kStack, "stack", TopFigure::kCount, TopColumn::kCount},
    {Kind::kFunction, "func", TopFigure::kCount, TopColumn::kCount},
    {Kind::kState, "state", TopFigure::kCount, TopColumn::kCount},
    {Kind::kThread, "thread", TopFigure::kCpu, TopColumn::kCpu},
    {Kind::kProcess, "process", TopFigure::kCpu, TopColumn::kCpu},
};
constexpr ViewRow kLabelView = {Kind::kLabel, "label:KEY", TopFigure::kCount, TopColumn::kCount};

const ViewRow& row_of(const TopView& view) {
  const auto* row =
      std::find_if(std::begin(kViews), std::end(kViews), [&](const ViewRow& r) { return r.kind == view.kind; });
  return row == std::end(kViews) ? kLabelView : *row;
}

// What goroutines of this view have in common, in the words of snapshot --group-by.
GroupBy group_of(const TopView& view) {
  switch (view.kind) {
    case Kind::kPeer:
      return {.kind = GroupBy::Kind::kPeer, .label = {}};
    case Kind::kStack:
      return {.kind = GroupBy::Kind::kStack, .label = {}};
    case Kind::kFunction:
      return {.kind = GroupBy::Kind::kFunction, .label = {}};
    case Kind::kLabel:
      return {.kind = GroupBy::Kind::kLabel, .label = view.label};
    default:
      return {.kind = GroupBy::Kind::kState, .label = {}};
  }
}

template <typename T>
void add_to(std::optional<T>& sum, const std::optional<T>& more) {
  if (more) sum = sum.value_or(0) + *more;
}

// Of a listener, where it is the length of the queue that recv_queue_bytes counts (sock_diag(7)), it is nothing unsent.
template <typename T>
std::optional<std::uint64_t> unsent_of(const T& socket) {
  return socket.tcp_state == "LISTEN" ? std::nullopt : socket.send_queue_bytes;
}

void add_goroutine(RowItem& item, const Goroutine& g) {
  const auto wait = exporters::known_wait_ns(g);
  if (item.goroutine == nullptr || wait > item.wait_ns) {
    item.goroutine = &g;
    item.wait_ns = wait;
  }
  add_to(item.recv_queue_bytes, g.recv_queue_bytes);
  add_to(item.send_queue_bytes, unsent_of(g));
  item.reads = item.reads || g.mode == trace::IoMode::kRead;
  item.writes = item.writes || g.mode == trace::IoMode::kWrite;
}

void add_entry(RowItem& item, const InterestEntry& e) {
  item.entry = &e;
  add_to(item.recv_queue_bytes, e.file.recv_queue_bytes);
  add_to(item.send_queue_bytes, unsent_of(e.file));
}

// Rows by identity, in the order in which they first come.
class Rows {
 public:
  // The row of that identity, and whether it is new.
  RowItem& at(RowIdentity identity, const ProcessSample* process) {
    const auto [known, is_new] = index_.try_emplace(identity, items_.size());
    if (is_new) {
      RowItem& item = items_.emplace_back();
      item.identity = std::move(identity);
      item.process = process;
      item.count = 0;
      return item;
    }
    RowItem& item = items_[known->second];
    if (item.process != process) item.process = nullptr;
    return item;
  }
  std::vector<RowItem> take() { return std::move(items_); }

 private:
  std::vector<RowItem> items_;
  std::unordered_map<RowIdentity, std::size_t, RowIdentityHash> index_;
};

// The keys of goroutines that are parked at the same place are made once: a text of a stack takes microseconds.
class GroupKeys {
 public:
  GroupKeys(const GoroutineSnapshot& snapshot, GroupBy by) : snapshot_(snapshot), by_(std::move(by)) {}

  const std::string& of(const Goroutine& g) {
    if (by_.kind != GroupBy::Kind::kStack) return scratch_ = group_key(snapshot_, g, by_);
    scratch_.assign(exporters::state_of(g));
    scratch_.append(reinterpret_cast<const char*>(g.stack.data()), g.stack.size() * sizeof(g.stack[0]));
    const std::uint32_t entry = g.entry.value_or(0);
    scratch_.append(reinterpret_cast<const char*>(&entry), sizeof(entry));
    const auto [known, is_new] = stacks_.try_emplace(scratch_);
    if (is_new) known->second = group_key(snapshot_, g, by_);
    return known->second;
  }

 private:
  const GoroutineSnapshot& snapshot_;
  GroupBy by_;
  std::string scratch_;
  std::unordered_map<std::string, std::string> stacks_;
};

bool shows(const TopChoice& choice, const GoroutineSnapshot& snapshot, const Goroutine& g) {
  if (choice.io_waits_only && !g.io_wait) return false;
  if (g.system && !choice.system_too) return false;
  return choice.goroutines.shows(snapshot, g);
}

void add_goroutines(Rows& rows, const ProcessSample& process, const TopView& view, const TopChoice& choice) {
  const GoroutineSnapshot& snapshot = *process.goroutines;
  const pid_t pid = process.facts.target.pid;
  GroupKeys keys(snapshot, group_of(view));
  for (const Goroutine& g : snapshot.goroutines) {
    if (!shows(choice, snapshot, g)) continue;
    RowIdentity identity;
    if (view.kind == Kind::kGoroutine) {
      // Runtimes of one process count from 1, each.
      identity = {.pid = pid, .number = g.goid | (static_cast<std::uint64_t>(g.runtime) << 56U), .text = {}};
    } else if (view.kind == Kind::kFd) {
      if (!g.fd) continue;
      identity = {.pid = pid, .number = static_cast<std::uint64_t>(*g.fd), .text = g.peer};
    } else {
      identity.text = keys.of(g);
      if (identity.text.empty()) continue;
    }
    RowItem& item = rows.at(std::move(identity), &process);
    add_goroutine(item, g);
    ++item.count;
  }
}

std::string group_of_entry(const InterestEntry& e, const TopView& view) {
  if (view.kind == Kind::kPeer) return peer_group(e.file.kind, e.file.peer);
  return std::string(e.file.tcp_state.empty() ? e.file.kind : e.file.tcp_state);
}

void add_registrations(Rows& rows, const ProcessSample& process, const TopView& view, const TopChoice& choice) {
  const GoroutineFilter& filter = choice.goroutines;
  const auto contains = [](const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
  };
  for (const probes::InterestSet& set : process.sets) {
    for (const InterestEntry& e : set.entries) {
      if (filter.fd && e.fd != filter.fd) continue;
      if (!contains(e.file.peer, filter.peer) || !contains(e.file.local, filter.local)) continue;
      RowIdentity identity;
      if (view.kind == Kind::kFd) {
        identity = {.pid = set.pid,
                    .number = (static_cast<std::uint64_t>(set.epfd) << 32U) | static_cast<std::uint32_t>(e.fd),
                    .text = e.file.peer};
      } else {
        identity.text = group_of_entry(e, view);
      }
      if (identity.text.empty() && view.kind != Kind::kFd) continue;
      RowItem& item = rows.at(std::move(identity), &process);
      add_entry(item, e);
      item.epfd = set.epfd;
      ++item.count;
    }
  }
}

// "epoll_wait 5": the call, and the descriptor that it is about.
std::string thread_state(const probes::ThreadStatus& thread) {
  if (!thread.call) return thread.state == 'R' ? "running" : thread.state == 'D' ? "in the kernel" : "";
  const probes::BlockingCall call = probes::blocking_call(thread.call->number);
  return call.fd == probes::CallObject::kNone
             ? call.name
             : call.name + " " + std::to_string(static_cast<int>(thread.call->args[0]));
}

// Without EPOLLERR and EPOLLHUP, which the kernel adds to every mask.
std::string mask_text(std::uint32_t events) {
  std::string text;
  for (const std::string& name : probes::epoll_event_names(events & ~std::uint32_t{EPOLLERR | EPOLLHUP}))
    text += (text.empty() ? "" : ",") + name;
  return text;
}

void describe_goroutine(const RowItem& item, bool alone, TopRow& row) {
  const Goroutine& g = *item.goroutine;
  row.wait_is_at_least = !g.wait_ns && g.wait_at_least_ns;
  row.mode = item.reads && item.writes ? "read, write" : item.reads ? "read" : item.writes ? "write" : "";
  if (!alone) return;
  row.goid = g.goid;
  row.tid = g.tid;
  row.fd = g.fd;
  row.state = exporters::state_of(g);
  if (!g.syscall.empty()) row.state += " " + g.syscall;
  row.local = g.local;
  row.peer = g.peer;
  row.tcp_state = g.tcp_state;
  row.remark = g.foreign_change ? "foreign epoll_ctl" : g.fd_state;
}

void describe_entry(const RowItem& item, TopRow& row) {
  const InterestEntry& e = *item.entry;
  row.fd = e.fd;
  row.epfd = item.epfd;
  row.mode = mask_text(e.events);
  row.local = e.file.local;
  row.peer = e.file.peer;
  row.tcp_state = e.file.tcp_state;
  row.state = e.is_epoll ? "epoll" : std::string(e.file.kind);
  if (e.state == probes::NumberState::kClosed) row.remark = "closed";
  if (e.state == probes::NumberState::kReused) row.remark = "reused";
}

void describe_thread(const RowItem& item, TopRow& row) {
  row.key = item.thread->status.comm;
  row.tid = item.thread->status.tid;
  row.state = thread_state(item.thread->status);
  row.cpu_percent = item.thread->cpu_percent;
  if (item.goroutine != nullptr) row.goid = item.goroutine->goid;
}

void describe_process(const RowItem& item, TopRow& row) {
  const TopProcess& facts = item.process->facts;
  row.key = row.comm;
  row.count = facts.goroutines.value_or(facts.registrations.value_or(0));
  row.cpu_percent = facts.cpu_percent;
  row.rates = facts.rates;
  if (facts.target.kind) row.state = *facts.target.kind;
}

}  // namespace

std::string TopView::name() const {
  return kind == Kind::kLabel ? std::string(kLabelPrefix) + label : std::string(row_of(*this).name);
}

std::vector<std::string> view_names() {
  std::vector<std::string> names;
  for (const ViewRow& row : kViews) names.emplace_back(row.name);
  return names;
}

Result<TopView> parse_view(const std::string& text) {
  for (const ViewRow& row : kViews) {
    if (text == row.name) return TopView{.kind = row.kind, .label = {}};
  }
  if (text.starts_with(kLabelPrefix) && text.size() > kLabelPrefix.size()) {
    return TopView{.kind = Kind::kLabel, .label = text.substr(kLabelPrefix.size())};
  }
  auto known = view_names();
  known.emplace_back(kLabelView.name);
  return Error(ErrorKind::kInvalid, "--by does not know \"" + text + "\"")
      .with_hint(did_you_mean(text, known, "one of: " + joined(known)));
}

bool needs_goroutines(const TopView& view) {
  switch (view.kind) {
    case Kind::kGoroutine:
    case Kind::kStack:
    case Kind::kFunction:
    case Kind::kLabel:
      return true;
    default:
      return false;
  }
}

bool is_group(const TopView& view) {
  switch (view.kind) {
    case Kind::kGoroutine:
    case Kind::kFd:
    case Kind::kThread:
    case Kind::kProcess:
      return false;
    default:
      return true;
  }
}

std::size_t RowIdentityHash::operator()(const RowIdentity& id) const {
  return std::hash<std::string>()(id.text) ^ (id.number * 0x9e3779b97f4a7c15U) ^ static_cast<std::size_t>(id.pid);
}

TopFigure figure_of(const TopView& view) { return row_of(view).figure; }

TopDepth depth_of(const TopView& view) {
  return view.kind == Kind::kThread || view.kind == Kind::kProcess ? TopDepth::kStates : TopDepth::kAll;
}

std::string_view column_name(TopColumn column) {
  switch (column) {
    case TopColumn::kPid:
      return "pid";
    case TopColumn::kGoid:
      return "goid";
    case TopColumn::kTid:
      return "tid";
    case TopColumn::kFd:
      return "fd";
    case TopColumn::kCount:
      return "count";
    case TopColumn::kDelta:
      return "delta";
    case TopColumn::kTrend:
      return "trend";
    case TopColumn::kWait:
      return "wait";
    case TopColumn::kState:
      return "state";
    case TopColumn::kMode:
      return "mode";
    case TopColumn::kReceived:
      return "recvq";
    case TopColumn::kUnsent:
      return "sendq";
    case TopColumn::kCpu:
      return "cpu";
    case TopColumn::kWaits:
      return "waits";
    case TopColumn::kControls:
      return "ctl";
    case TopColumn::kTcpState:
      return "tcp";
    case TopColumn::kPeer:
      return "peer";
    case TopColumn::kKey:
      break;
  }
  return "name";
}

std::vector<TopColumn> sortable_columns(const TopView& view) {
  using By = TopColumn;
  switch (view.kind) {
    case Kind::kGoroutine:
      return {By::kPid, By::kGoid,     By::kState,  By::kWait, By::kDelta,
              By::kFd,  By::kReceived, By::kUnsent, By::kPeer, By::kKey};
    case Kind::kFd:
      return {By::kPid,   By::kFd,    By::kMode, By::kReceived, By::kUnsent,
              By::kDelta, By::kCount, By::kWait, By::kTcpState, By::kPeer};
    case Kind::kThread:
      return {By::kPid, By::kTid, By::kCpu, By::kDelta, By::kState, By::kGoid, By::kKey};
    case Kind::kProcess:
      return {By::kPid, By::kCpu, By::kDelta, By::kCount, By::kWaits, By::kControls, By::kKey};
    default:
      return {By::kCount, By::kDelta, By::kWait, By::kReceived, By::kUnsent, By::kKey};
  }
}

TopColumn default_sort(const TopView& view) { return row_of(view).sort; }

Result<TopColumn> parse_sort(const std::string& text, const TopView& view) {
  std::vector<std::string> known;
  for (const TopColumn column : sortable_columns(view)) {
    if (text == column_name(column)) return column;
    known.emplace_back(column_name(column));
  }
  return Error(ErrorKind::kInvalid, "--sort does not know \"" + text + "\" of the view by " + view.name())
      .with_hint(did_you_mean(text, known, "one of: " + joined(known)));
}

float RowItem::figure(TopFigure figure) const {
  constexpr float kUnknown = std::numeric_limits<float>::quiet_NaN();
  switch (figure) {
    case TopFigure::kWait:
      return wait_ns ? static_cast<float>(*wait_ns) : kUnknown;
    case TopFigure::kCount:
      return static_cast<float>(count);
    case TopFigure::kQueue:
      if (!recv_queue_bytes && !send_queue_bytes) return kUnknown;
      return static_cast<float>(recv_queue_bytes.value_or(0) + send_queue_bytes.value_or(0));
    case TopFigure::kCpu:
      break;
  }
  const auto cpu = thread != nullptr    ? thread->cpu_percent
                   : process != nullptr ? process->facts.cpu_percent
                                        : std::nullopt;
  return cpu ? static_cast<float>(*cpu) : kUnknown;
}

std::vector<RowItem> rows_of(const TopSample& sample, const TopView& view, const TopChoice& choice) {
  Rows rows;
  for (const ProcessSample& process : sample.processes) {
    const pid_t pid = process.facts.target.pid;
    if (view.kind == Kind::kProcess) {
      rows.at({.pid = pid, .number = 0, .text = {}}, &process);
    } else if (view.kind == Kind::kThread) {
      std::map<pid_t, const Goroutine*> running;  // by thread
      if (process.goroutines) {
        for (const Goroutine& g : process.goroutines->goroutines) {
          if (g.tid) running[*g.tid] = &g;
        }
      }
      for (const ThreadSample& thread : process.threads) {
        RowItem& item =
            rows.at({.pid = pid, .number = static_cast<std::uint64_t>(thread.status.tid), .text = {}}, &process);
        item.thread = &thread;
        item.count = 1;
        if (const auto g = running.find(thread.status.tid); g != running.end()) item.goroutine = g->second;
      }
    } else if (process.goroutines) {
      if (sample.depth >= depth_of(view)) add_goroutines(rows, process, view, choice);
    } else if (!needs_goroutines(view)) {
      add_registrations(rows, process, view, choice);
    }
  }
  return rows.take();
}

std::string group_of_row(const RowItem& item, const TopView& view) {
  if (item.goroutine != nullptr) return group_key(*item.process->goroutines, *item.goroutine, group_of(view));
  return item.entry == nullptr || needs_goroutines(view) ? std::string() : group_of_entry(*item.entry, view);
}

TopRow describe_row(const RowItem& item, const TopView& view) {
  TopRow row;
  if (item.process != nullptr) {
    row.pid = item.process->facts.target.pid;
    row.comm = item.process->facts.target.comm.value_or("");
  }
  row.count = item.count;
  row.wait_ns = item.wait_ns;
  row.recv_queue_bytes = item.recv_queue_bytes;
  row.send_queue_bytes = item.send_queue_bytes;
  row.key = item.identity.text;
  if (view.kind == Kind::kProcess) {
    describe_process(item, row);
    return row;
  }
  if (view.kind == Kind::kThread) {
    describe_thread(item, row);
    return row;
  }
  const bool alone = view.kind == Kind::kGoroutine || view.kind == Kind::kFd;
  if (item.goroutine != nullptr) describe_goroutine(item, alone, row);
  if (item.entry != nullptr && alone) describe_entry(item, row);
  if (view.kind == Kind::kFd) {
    row.goid.reset();
    row.key = row.peer.empty() ? row.local : row.peer;
  }
  if (view.kind == Kind::kGoroutine) {
    const trace::Frame* entry = exporters::frame_at(*item.process->goroutines, item.goroutine->entry);
    row.key = entry == nullptr ? "" : exporters::frame_name(*entry);
  }
  return row;
}

}  // namespace netpoll::cli
