// What system calls tell: a slice for each, and, of a program whose runtime tells nothing, the waits between them.
#include <algorithm>
#include <array>
#include <cerrno>
#include <string>
#include <utility>
#include <vector>

#include "exporters/events/timeline.h"
#include "exporters/events/timeline_words.h"
#include "exporters/events/words.h"
#include "exporters/text.h"

namespace netpoll::exporters {
namespace {

std::uint64_t saturating_sub(std::uint64_t a, std::uint64_t b) { return a > b ? a - b : 0; }

}  // namespace

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
  const std::uint64_t start_ns = saturating_sub(record.time_ns, record.least_ns().value_or(0));
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
  if (!record.duration_ns) args.text("began", "before the trace");
  if (!record.least_ns()) {
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

}  // namespace netpoll::exporters
