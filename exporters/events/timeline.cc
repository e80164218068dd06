// Follows goroutines, descriptors and threads from event to event.
#include "exporters/events/timeline.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "exporters/events/wait_stacks.h"
#include "exporters/events/words.h"
#include "exporters/json.h"
#include "exporters/text.h"
#include "netpoll/trace/event.h"
#include "netpoll/wait_reason.h"

namespace netpoll::exporters {
namespace {

// Between two values of a counter of one process. A value at every event would be most of a file.
constexpr std::uint64_t kCounterEveryNs = 100'000;

constexpr std::string_view kGoroutineCategory = "goroutine";
constexpr std::string_view kFdCategory = "fd";
constexpr std::string_view kCallCategory = "syscall";
constexpr std::string_view kPollerCategory = "poller";
constexpr std::string_view kTraceCategory = "trace";

std::uint64_t saturating_sub(std::uint64_t a, std::uint64_t b) { return a > b ? a - b : 0; }

void add_endpoint(TimelineArgs& args, const trace::Endpoint* endpoint) {
  if (endpoint == nullptr) return;
  if (!endpoint->kind.empty()) args.text("kind", endpoint->kind);
  if (!endpoint->local.empty()) args.text("local", endpoint->local);
  if (!endpoint->peer.empty()) args.text("peer", endpoint->peer);
}

// In order of numbers: equal traces are equal bytes.
template <typename Map, typename Visit>
void in_order(Map& map, const Visit& visit) {
  std::vector<typename Map::key_type> keys;
  keys.reserve(map.size());
  for (const auto& [key, value] : map) keys.push_back(key);
  std::sort(keys.begin(), keys.end());
  for (const auto& key : keys) visit(key, map.find(key)->second);
}

}  // namespace

std::string_view counter_name(TimelineCounter counter) {
  constexpr std::array<std::string_view, kTimelineCounters> kNames = {"parked goroutines", "runnable goroutines",
                                                                      "wake-ups", "events lost"};
  return kNames.at(static_cast<std::size_t>(counter));
}

std::string labels_text(const trace::Labels& labels) {
  std::string text;
  for (const auto& [key, value] : labels) text += (text.empty() ? "" : ", ") + key + "=" + value;
  return text;
}

std::uint64_t figure_of(const Json& json, const char* name) {
  const auto found = json.find(name);
  return found != json.end() && found->is_number_unsigned() ? found->get<std::uint64_t>() : 0;
}

void Timeline::begin(const Json& meta) {
  started_ns_ = figure_of(meta, "started_ns");
  last_ns_ = started_ns_;
  names_ = process_names(meta);
  sink_.track({}, "netpoll-trace");
  TimelineArgs args;
  const auto text = [&](const char* name, const Json& value) {
    if (value.is_string()) args.text(name, value.get_ref<const std::string&>());
  };
  if (meta.contains("schema")) text("schema", meta.at("schema"));
  if (meta.contains("started_at")) text("started_at", meta.at("started_at"));
  if (meta.contains("tool") && meta.at("tool").is_object() && meta.at("tool").contains("version")) {
    text("tool_version", meta.at("tool").at("version"));
  }
  if (meta.contains("probe") && meta.at("probe").is_object() && meta.at("probe").contains("backend")) {
    text("backend", meta.at("probe").at("backend"));
  }
  sink_.instant({.track = {},
                 .time_ns = started_ns_,
                 .name = "trace begins",
                 .category = kTraceCategory,
                 .args = args.all(),
                 .flows = {}});
  sink_.counter(TimelineCounter::kLost, 0, started_ns_, 0);
}

void Timeline::event(const trace::Record& record) {
  last_ns_ = std::max(last_ns_, record.time_ns);
  Process& process = process_of(record.pid);
  switch (record.kind) {
    case trace::RecordKind::kTracepoint:
      tracepoint(process, record);
      break;
    case trace::RecordKind::kCall:
      call(process, record);
      break;
    case trace::RecordKind::kUring:
      operation(process, record);
      break;
    case trace::RecordKind::kProcess:
      process_event(process, record);
      return;  // it may be gone
  }
  if (record.time_ns - process.written_ns >= kCounterEveryNs) {
    write_counters(record.pid, process, record.time_ns, /*all=*/false);
  }
}

void Timeline::lost(const trace::Loss& loss) {
  last_ns_ = std::max(last_ns_, loss.time_ns);
  in_order(processes_, [&](pid_t pid, Process& process) { close_all(pid, process, last_ns_, /*truncated=*/true); });
  lost_ += loss.count;
  sink_.counter(TimelineCounter::kLost, 0, last_ns_, lost_);
  TimelineArgs args;
  args.unsigned_number("count", loss.count);
  if (loss.cpu >= 0) args.number("cpu", loss.cpu);
  args.text("where", loss.where);
  sink_.instant({.track = {},
                 .time_ns = last_ns_,
                 .name = "events lost",
                 .category = kTraceCategory,
                 .args = args.all(),
                 .flows = {}});
}

void Timeline::end(const Json& totals) {
  in_order(processes_, [&](pid_t pid, Process& process) {
    write_counters(pid, process, last_ns_, /*all=*/true);
    close_all(pid, process, last_ns_, /*truncated=*/true);
  });
  const bool cut_short = totals.value("cut_short", false);
  TimelineArgs args;
  args.unsigned_number("events", figure_of(totals, "events"));
  const std::uint64_t lost = std::max(lost_, figure_of(totals, "lost"));
  args.unsigned_number("lost", lost);
  if (cut_short) args.text("cut_short", "the file has no end line: what followed is missing");
  const std::array<std::pair<std::string_view, const Group*>, 4> groups = {{{"left_out_goroutines", &goroutines_},
                                                                            {"left_out_ps", &ps_},
                                                                            {"left_out_threads", &threads_},
                                                                            {"left_out_fds", &fds_}}};
  for (const auto& [name, group] : groups) {
    if (group->left_out != 0) args.unsigned_number(name, group->left_out);
  }
  sink_.counter(TimelineCounter::kLost, 0, last_ns_, lost);
  sink_.instant({.track = {},
                 .time_ns = last_ns_,
                 .name = cut_short ? "trace is cut short" : "trace ends",
                 .category = kTraceCategory,
                 .args = args.all(),
                 .flows = {}});
}

bool Timeline::draw(Group& group, bool wanted, const TrackId& track, std::string_view prefix, std::string_view suffix) {
  if (!wanted) return false;
  if (group.drawn >= kMostTracks) {
    ++group.left_out;
    return false;
  }
  ++group.drawn;
  std::string name(prefix);
  append_unsigned(name, track.id);
  name += suffix;
  sink_.track(track, name);
  return true;
}

Timeline::Process& Timeline::process_of(pid_t pid) {
  Process& process = processes_[pid];
  if (!process.declared) {
    process.declared = true;
    const auto known = names_.find(pid);
    sink_.track({.kind = TrackKind::kProcess, .pid = pid, .id = 0},
                known != names_.end() ? known->second : std::string_view());
  }
  return process;
}

Timeline::Goroutine& Timeline::goroutine_of(Process& process, const trace::Record& record, std::uint64_t goid) {
  const auto [at, is_new] = process.goroutines.try_emplace(goid);
  if (is_new) {
    std::string labels;
    if (record.labels && !record.labels->empty()) labels = " " + labels_text(*record.labels);
    at->second.shown = draw(goroutines_, tracks_.goroutines,
                            {.kind = TrackKind::kGoroutine, .pid = record.pid, .id = goid}, "G", labels);
  } else if (!at->second.shown && tracks_.goroutines) {
    ++goroutines_.left_out;
  }
  return at->second;
}

Timeline::Fd* Timeline::fd_of(Process& process, pid_t pid, int fd) {
  if (fd < 0) return nullptr;
  const auto known = process.fds.find(fd);
  if (known != process.fds.end()) return &known->second;
  const TrackId track{.kind = TrackKind::kFd, .pid = pid, .id = static_cast<std::uint64_t>(fd)};
  return draw(fds_, tracks_.fds, track, "fd ") ? &process.fds[fd] : nullptr;
}

Timeline::Thread* Timeline::thread_of(Process& process, pid_t pid, pid_t tid) {
  const auto known = process.threads.find(tid);
  if (known != process.threads.end()) return &known->second;
  const TrackId track{.kind = TrackKind::kThread, .pid = pid, .id = static_cast<std::uint64_t>(tid)};
  return draw(threads_, tracks_.threads, track, "thread ") ? &process.threads[tid] : nullptr;
}

void Timeline::enter(Process& process, Goroutine& g, State state, std::uint64_t time_ns) {
  const auto count = [&](State of) -> std::uint64_t* {
    if (of == State::kParked) return &process.counters.at(static_cast<std::size_t>(TimelineCounter::kParked));
    if (of == State::kRunnable) return &process.counters.at(static_cast<std::size_t>(TimelineCounter::kRunnable));
    return nullptr;
  };
  if (auto* left = count(g.state)) --*left;
  if (auto* entered = count(state)) ++*entered;
  g.state = state;
  g.since_ns = time_ns;
}

void Timeline::leave(Process& process, pid_t pid, std::uint64_t goid, Goroutine& g, std::uint64_t time_ns,
                     bool truncated) {
  if (g.state == State::kUnknown) return;
  const std::uint64_t end_ns = std::max(time_ns, g.since_ns);
  const std::span<const std::uint64_t> flow(&g.flow, g.flow != 0 ? 1 : 0);
  TimelineSlice slice{.track = {.kind = TrackKind::kGoroutine, .pid = pid, .id = goid},
                      .begin_ns = g.since_ns,
                      .end_ns = end_ns,
                      .name = {},
                      .category = kGoroutineCategory,
                      .args = {},
                      .flows = {},
                      .role = FlowRole::kStep,
                      .truncated = truncated};
  TimelineArgs args;
  switch (g.state) {
    case State::kParked:
      slice.name = "park";
      slice.flows = flow;
      slice.role = FlowRole::kBegin;
      if (g.fd >= 0) args.number("fd", g.fd);
      if (g.fd >= 0 && g.mode >= 0) args.text("mode", g.mode == 0 ? "read" : "write");
      if (const auto reason = wait_reason_name(static_cast<WaitReason>(g.reason)); !reason.empty()) {
        args.text("reason", reason);
      }
      add_endpoint(args, g.endpoint.get());
      break;
    case State::kRunnable:
      slice.name = "runnable";
      break;
    case State::kRunning:
      slice.name = "run";
      slice.flows = flow;
      slice.role = FlowRole::kEnd;
      args.number("p", g.p);
      args.number("tid", g.tid);
      break;
    case State::kUnknown:
      break;
  }
  slice.args = args.all();
  if (g.shown) sink_.slice(slice);
  if (g.state != State::kRunning) return;
  g.flow = 0;
  const auto on = process.running.find(g.p);
  if (on == process.running.end() || on->second != goid) return;
  on->second = 0;
  TimelineArgs of;
  of.unsigned_number("goid", goid);
  of.number("tid", g.tid);
  slice.track = {.kind = TrackKind::kP, .pid = pid, .id = static_cast<std::uint64_t>(g.p)};
  slice.flows = {};
  slice.args = of.all();
  sink_.slice(slice);
}

void Timeline::close_fd(pid_t pid, int number, Fd& fd, std::uint64_t time_ns, bool truncated) {
  if (fd.open_ns == 0) return;
  TimelineArgs args;
  add_endpoint(args, fd.endpoint.get());
  sink_.slice({.track = {.kind = TrackKind::kFd, .pid = pid, .id = static_cast<std::uint64_t>(number)},
               .begin_ns = fd.open_ns,
               .end_ns = std::max(time_ns, fd.open_ns),
               .name = "open",
               .category = kFdCategory,
               .args = args.all(),
               .flows = {},
               .role = FlowRole::kStep,
               .truncated = truncated});
  fd.open_ns = 0;
}

void Timeline::leave_poll(pid_t pid, pid_t tid, Thread& thread, std::uint64_t time_ns, std::optional<std::int64_t> n,
                          bool truncated) {
  if (thread.poll_ns == 0) return;
  TimelineArgs args;
  args.number("timeout_ns", thread.timeout_ns);
  if (n) args.number("n", *n);
  const std::uint64_t end_ns = std::max(time_ns, thread.poll_ns);
  sink_.slice({.track = {.kind = TrackKind::kThread, .pid = pid, .id = static_cast<std::uint64_t>(tid)},
               .begin_ns = thread.poll_ns,
               .end_ns = end_ns,
               .name = "poll",
               .category = kPollerCategory,
               .args = args.all(),
               .flows = {},
               .role = FlowRole::kStep,
               .truncated = truncated});
  thread.poll_ns = 0;
  thread.end_ns = end_ns;
}

void Timeline::close_all(pid_t pid, Process& process, std::uint64_t time_ns, bool truncated) {
  in_order(process.goroutines, [&](std::uint64_t goid, Goroutine& g) {
    leave(process, pid, goid, g, time_ns, truncated);
    enter(process, g, State::kUnknown, time_ns);
    g.flow = 0;
  });
  // Those that are not drawn may have ended unseen.
  std::erase_if(process.goroutines, [](const auto& entry) { return !entry.second.shown; });
  in_order(process.fds, [&](int number, Fd& fd) {
    close_fd(pid, number, fd, time_ns, truncated);
    fd.flow = 0;
  });
  in_order(process.threads,
           [&](pid_t tid, Thread& thread) { leave_poll(pid, tid, thread, time_ns, std::nullopt, truncated); });
}

void Timeline::write_counters(pid_t pid, Process& process, std::uint64_t time_ns, bool all) {
  process.written_ns = time_ns;
  for (const TimelineCounter counter :
       {TimelineCounter::kParked, TimelineCounter::kRunnable, TimelineCounter::kWakeups}) {
    const auto index = static_cast<std::size_t>(counter);
    const std::uint64_t value = process.counters.at(index);
    // What goroutines do is known where the runtime tells.
    if (counter != TimelineCounter::kWakeups && !process.tells_itself) continue;
    if (!all && value == process.written.at(index)) continue;
    process.written.at(index) = value;
    sink_.counter(counter, pid, time_ns, value);
  }
}

void Timeline::tracepoint(Process& process, const trace::Record& record) {
  process.tells_itself = true;
  const auto goid = static_cast<std::uint64_t>(arg_of(record, "goid", 0));
  const std::uint64_t now = record.time_ns;
  const auto wake = [&](Goroutine& g) {
    ++process.counters.at(static_cast<std::size_t>(TimelineCounter::kWakeups));
    if (g.flow == 0) g.flow = ++flows_;
    if (thread_of(process, record.pid, record.tid) == nullptr) return;
    TimelineArgs args;
    args.unsigned_number("goid", goid);
    if (record.fd >= 0) args.number("fd", record.fd);
    if (record.network_wait_ns) args.unsigned_number("network_wait_ns", *record.network_wait_ns);
    sink_.instant(
        {.track = {.kind = TrackKind::kThread, .pid = record.pid, .id = static_cast<std::uint64_t>(record.tid)},
         .time_ns = now,
         .name = "ready",
         .category = kGoroutineCategory,
         .args = args.all(),
         .flows = {&g.flow, 1}});
  };
  switch (static_cast<trace::Tp>(record.row)) {
    case trace::Tp::park: {
      Goroutine& g = goroutine_of(process, record, goid);
      leave(process, record.pid, goid, g, now, false);
      enter(process, g, State::kParked, now);
      g.fd = record.fd;
      g.mode = arg_of(record, "mode", -1);
      g.reason = arg_of(record, "reason", 0);
      g.endpoint = record.endpoint;
      g.flow = ++flows_;
      return;
    }
    case trace::Tp::ready: {
      Goroutine& g = goroutine_of(process, record, goid);
      // Its park was not seen: there is nothing that it woke from, only that it woke.
      wake(g);
      leave(process, record.pid, goid, g, now, false);
      enter(process, g, State::kRunnable, now);
      return;
    }
    case trace::Tp::run: {
      const std::int64_t p = arg_of(record, "p", -1);
      if (p >= 0) {
        auto on = process.running.find(p);
        const TrackId track{.kind = TrackKind::kP, .pid = record.pid, .id = static_cast<std::uint64_t>(p)};
        if (on == process.running.end() && draw(ps_, tracks_.ps, track, "P")) {
          on = process.running.emplace(p, 0).first;
        }
        if (on != process.running.end()) {
          const std::uint64_t before = on->second;
          const auto yielded = process.goroutines.find(before);
          if (before != 0 && before != goid && yielded != process.goroutines.end() &&
              yielded->second.state == State::kRunning) {
            // It gave up its P without a word: it waits in a queue.
            leave(process, record.pid, before, yielded->second, now, false);
            enter(process, yielded->second, State::kRunnable, now);
          }
        }
      }
      Goroutine& g = goroutine_of(process, record, goid);
      leave(process, record.pid, goid, g, now, false);
      enter(process, g, State::kRunning, now);
      g.p = p;
      g.tid = record.tid;
      if (const auto on = process.running.find(p); on != process.running.end()) on->second = goid;
      return;
    }
    case trace::Tp::go_create: {
      Goroutine& g = goroutine_of(process, record, goid);
      leave(process, record.pid, goid, g, now, false);
      enter(process, g, State::kRunnable, now);
      g.flow = 0;
      return;
    }
    case trace::Tp::go_exit: {
      const auto found = process.goroutines.find(goid);
      if (found == process.goroutines.end()) return;
      leave(process, record.pid, goid, found->second, now, false);
      enter(process, found->second, State::kUnknown, now);
      process.goroutines.erase(found);
      return;
    }
    case trace::Tp::poll_enter:
      if (Thread* thread = thread_of(process, record.pid, record.tid)) {
        leave_poll(record.pid, record.tid, *thread, now, std::nullopt, true);
        thread->poll_ns = now;
        thread->timeout_ns = arg_of(record, "timeout", 0);
      }
      return;
    case trace::Tp::poll_exit:
      if (Thread* thread = thread_of(process, record.pid, record.tid)) {
        leave_poll(record.pid, record.tid, *thread, now, arg_of(record, "n", 0), false);
      }
      return;
    case trace::Tp::fd_register:
      if (Fd* fd = fd_of(process, record.pid, record.fd)) {
        close_fd(record.pid, record.fd, *fd, now, true);
        fd->open_ns = now;
        fd->endpoint = record.endpoint;
      }
      return;
    case trace::Tp::fd_close:
      if (Fd* fd = fd_of(process, record.pid, record.fd)) {
        if (record.endpoint) fd->endpoint = record.endpoint;
        close_fd(record.pid, record.fd, *fd, now, false);
      }
      return;
    default: {
      // What else happened to a descriptor; whatever tracepoints there will be.
      if (fd_of(process, record.pid, record.fd) == nullptr) return;
      TimelineArgs args;
      for (std::size_t i = 0; i < record.argc; ++i) args.number(record.args.at(i).name, record.args.at(i).value);
      sink_.instant({.track = {.kind = TrackKind::kFd, .pid = record.pid, .id = static_cast<std::uint64_t>(record.fd)},
                     .time_ns = now,
                     .name = record.name,
                     .category = kFdCategory,
                     .args = args.all(),
                     .flows = {}});
      return;
    }
  }
}

// Waits of a descriptor, known when they are over.
void Timeline::wait_of_fd(Process& process, const trace::Record& record, std::uint64_t start_ns) {
  if (process.tells_itself || record.step != trace::Step::kRun) return;
  Fd* fd = fd_of(process, record.pid, record.fd);
  if (fd == nullptr) return;
  const std::size_t direction = waits_to_write(record.name) ? 1 : 0;
  const TrackId track{.kind = direction == 0 ? TrackKind::kFdRead : TrackKind::kFdWrite,
                      .pid = record.pid,
                      .id = static_cast<std::uint64_t>(record.fd)};
  if (!fd->declared.at(direction)) {
    fd->declared.at(direction) = true;
    std::string name = "fd ";
    append_unsigned(name, track.id);
    sink_.track(track, name + (direction == 0 ? " read" : " write"));
  }
  std::uint64_t& floor = fd->wait_end_ns.at(direction);
  const auto at_least = [&](std::uint64_t time) { return std::max({time, floor, started_ns_}); };
  const std::uint64_t ready_ns = at_least(saturating_sub(start_ns, record.cpu_wait_ns.value_or(0)));
  TimelineArgs args;
  args.number("fd", record.fd);
  if (record.goid != 0) args.unsigned_number("goid", record.goid);
  add_endpoint(args, record.endpoint.get());
  TimelineSlice slice{.track = track,
                      .begin_ns = 0,
                      .end_ns = ready_ns,
                      .name = "park",
                      .category = kFdCategory,
                      .args = args.all(),
                      .flows = {},
                      .role = FlowRole::kStep,
                      .truncated = false};
  if (record.network_wait_ns) {
    slice.begin_ns = at_least(saturating_sub(ready_ns, *record.network_wait_ns));
    sink_.slice(slice);
  }
  slice.name = "runnable";
  slice.begin_ns = ready_ns;
  slice.end_ns = std::max(start_ns, ready_ns);
  floor = slice.end_ns;
  sink_.slice(slice);
}

// A Go program's goroutine: its calls, and that it was parked between one that found nothing and the next.
void Timeline::call_of_goroutine(Process& process, const trace::Record& record, std::uint64_t start_ns,
                                 std::span<const TimelineArg> args) {
  if (process.tells_itself || record.goid == 0) return;
  auto known = process.goroutines.find(record.goid);
  if (known == process.goroutines.end()) {
    // No event says that it ends: one that is not drawn is not remembered.
    goroutine_of(process, record, record.goid);
    known = process.goroutines.find(record.goid);
    if (!known->second.shown) {
      process.goroutines.erase(known);
      return;
    }
  }
  Goroutine& g = known->second;
  TimelineSlice slice{.track = {.kind = TrackKind::kGoroutine, .pid = record.pid, .id = record.goid},
                      .begin_ns = 0,
                      .end_ns = 0,
                      .name = "park",
                      .category = kGoroutineCategory,
                      .args = args,
                      .flows = {},
                      .role = FlowRole::kStep,
                      .truncated = false};
  const std::uint64_t begin_ns = std::max(start_ns, g.since_ns);
  if (g.fd >= 0 && g.fd == record.fd && record.step == trace::Step::kRun) {
    const std::uint64_t ready_ns = std::max(saturating_sub(begin_ns, record.cpu_wait_ns.value_or(0)), g.since_ns);
    slice.begin_ns = g.since_ns;
    slice.end_ns = ready_ns;
    sink_.slice(slice);
    slice.name = "runnable";
    slice.begin_ns = ready_ns;
    slice.end_ns = begin_ns;
    sink_.slice(slice);
  }
  g.fd = record.result == -EAGAIN ? record.fd : -1;
  g.since_ns = std::max(record.time_ns, begin_ns);
  slice.name = record.name;
  slice.category = kCallCategory;
  slice.begin_ns = begin_ns;
  slice.end_ns = g.since_ns;
  slice.truncated = record.unfinished;
  sink_.slice(slice);
}

void Timeline::call(Process& process, const trace::Record& record) {
  const std::uint64_t start_ns = saturating_sub(record.time_ns, record.duration_ns.value_or(0));
  std::string labels;
  std::array<std::string, trace::Record::kMaxArgs> words;
  TimelineArgs args;
  for (std::size_t i = 0; i < record.argc; ++i) {
    const trace::Arg& arg = record.args.at(i);
    switch (arg.form) {
      case trace::ArgForm::kNumber:
      case trace::ArgForm::kFd:
      case trace::ArgForm::kMilliseconds:
      case trace::ArgForm::kNanoseconds:
        args.number(arg.name, arg.value);
        break;
      default:
        append_arg_value(words.at(i), arg);
        args.text(arg.name, words.at(i));
    }
  }
  std::string error;
  if (record.result) {
    args.number("result", *record.result);
    if (*record.result < 0 && *record.result >= -4095) {
      error = errno_name(static_cast<int>(-*record.result));
      args.text("error", error);
    }
  }
  if (record.goid != 0) args.unsigned_number("goid", record.goid);
  if (record.fd >= 0) add_endpoint(args, record.endpoint.get());
  if (record.labels && !record.labels->empty()) {
    labels = labels_text(*record.labels);
    args.text("labels", labels);
  }
  if (record.network_wait_ns) args.unsigned_number("network_wait_ns", *record.network_wait_ns);
  if (record.cpu_wait_ns) args.unsigned_number("cpu_wait_ns", *record.cpu_wait_ns);

  std::vector<std::uint64_t> flows;
  FlowRole role = FlowRole::kBegin;
  if (!process.tells_itself && record.step == trace::Step::kReady) {
    for (const trace::ReadyEntry& entry : record.ready) {
      ++process.counters.at(static_cast<std::size_t>(TimelineCounter::kWakeups));
      Fd* fd = fd_of(process, record.pid, entry.fd);
      if (fd == nullptr) continue;
      fd->flow = ++flows_;
      flows.push_back(fd->flow);
    }
  }
  if (!process.tells_itself && record.fd >= 0) {
    Fd* fd = record.step != trace::Step::kNone ? fd_of(process, record.pid, record.fd) : nullptr;
    if (fd != nullptr && record.step == trace::Step::kRun && fd->flow != 0) {
      flows.push_back(std::exchange(fd->flow, 0));
      role = FlowRole::kEnd;
    }
    if (fd != nullptr && record.step == trace::Step::kRegister) {
      close_fd(record.pid, record.fd, *fd, record.time_ns, true);
      fd->open_ns = record.time_ns;
    }
    if (fd != nullptr && record.endpoint) fd->endpoint = record.endpoint;
    if (fd != nullptr && record.step == trace::Step::kClose) {
      close_fd(record.pid, record.fd, *fd, record.time_ns, false);
      fd->flow = 0;
      fd->endpoint = nullptr;
    }
  }
  wait_of_fd(process, record, start_ns);
  call_of_goroutine(process, record, start_ns, args.all());
  Thread* thread = thread_of(process, record.pid, record.tid);
  if (thread == nullptr) return;
  const TrackId track{.kind = TrackKind::kThread, .pid = record.pid, .id = static_cast<std::uint64_t>(record.tid)};
  if (!record.duration_ns) {
    args.text("began", "before the trace");
    sink_.instant({.track = track,
                   .time_ns = record.time_ns,
                   .name = record.name,
                   .category = kCallCategory,
                   .args = args.all(),
                   .flows = flows});
    return;
  }
  // Calls of a thread follow each other; a damaged file may say otherwise.
  const std::uint64_t begin_ns = std::max(start_ns, thread->end_ns);
  thread->end_ns = std::max(record.time_ns, begin_ns);
  sink_.slice({.track = track,
               .begin_ns = begin_ns,
               .end_ns = thread->end_ns,
               .name = record.name,
               .category = kCallCategory,
               .args = args.all(),
               .flows = flows,
               .role = role,
               .truncated = record.unfinished});
}

// Of io_uring: many of a thread are under way at a time, so each is a moment on the track of who submitted it.
void Timeline::operation(Process& process, const trace::Record& record) {
  if (thread_of(process, record.pid, record.tid) == nullptr) return;
  TimelineArgs args;
  std::string error;
  if (record.fd >= 0) {
    args.number("fd", record.fd);
    add_endpoint(args, record.endpoint.get());
  }
  if (record.result) {
    args.number("result", *record.result);
    if (*record.result < 0 && *record.result >= -4095) {
      error = errno_name(static_cast<int>(-*record.result));
      args.text("error", error);
    }
  }
  if (record.duration_ns) args.unsigned_number("duration_ns", *record.duration_ns);
  if (record.unfinished) args.text("unfinished", "it had not completed");
  sink_.instant({.track = {.kind = TrackKind::kThread, .pid = record.pid, .id = static_cast<std::uint64_t>(record.tid)},
                 .time_ns = record.time_ns,
                 .name = record.name,
                 .category = kCallCategory,
                 .args = args.all(),
                 .flows = {}});
}

void Timeline::process_event(Process& process, const trace::Record& record) {
  TimelineArgs args;
  for (std::size_t i = 0; i < record.argc; ++i) args.number(record.args.at(i).name, record.args.at(i).value);
  args.number("tid", record.tid);
  sink_.instant({.track = {.kind = TrackKind::kProcess, .pid = record.pid, .id = 0},
                 .time_ns = record.time_ns,
                 .name = record.name,
                 .category = kTraceCategory,
                 .args = args.all(),
                 .flows = {}});
  if (record.name == "fork") return;
  close_all(record.pid, process, record.time_ns, /*truncated=*/false);
  write_counters(record.pid, process, record.time_ns, /*all=*/true);
  processes_.erase(record.pid);
}

}  // namespace netpoll::exporters
