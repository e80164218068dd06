// What the tracepoints of a runtime tell: states of goroutines, who has a P, polls of threads, lives of descriptors.
#include <algorithm>

#include "exporters/events/timeline.h"
#include "exporters/events/timeline_words.h"
#include "exporters/events/words.h"
#include "netpoll/trace/event.h"
#include "netpoll/wait_reason.h"

namespace netpoll::exporters {

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

}  // namespace netpoll::exporters
