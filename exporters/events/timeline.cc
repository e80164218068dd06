// What every event passes, and the beginning and end of tracks.
#include "exporters/events/timeline.h"

#include <algorithm>
#include <array>
#include <vector>

#include "exporters/events/timeline_words.h"
#include "exporters/events/wait_stacks.h"
#include "exporters/events/words.h"
#include "exporters/json.h"
#include "exporters/text.h"

namespace netpoll::exporters {
namespace {

// Between two values of a counter of one process. A value at every event would be most of a file.
constexpr std::uint64_t kCounterEveryNs = 100'000;

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
