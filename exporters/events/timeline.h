// Timeline: makes of single events what timelines show: slices on tracks, arrows between them, counters. Every format
// that draws a trace is fed by it, so that all of them draw the same.
//
// A goroutine of libruntime is in slice `run` from run to park or go_exit, `park` from park to ready, and `runnable`
// until it runs. Of other programs the system calls tell: a descriptor's track has `park` while it waits for the
// network and `runnable` until somebody takes what came; a Go program's goroutines have their calls, and those two
// between a call that found nothing and the next one.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "exporters/exporter.h"
#include "exporters/json_fwd.h"
#include "netpoll/trace/record.h"

namespace netpoll::exporters {

enum class TrackKind : std::uint8_t {
  kTrace,      // of the whole
  kProcess,    // of processes
  kGoroutine,  // id: goid
  kP,          // id: number of the P
  kThread,     // id: tid
  kFd,         // id: descriptor; a slice for each of its lives
  kFdRead,     // its waits to read, and to write, which overlap
  kFdWrite,
};

struct TrackId {
  TrackKind kind = TrackKind::kTrace;
  pid_t pid = 0;
  std::uint64_t id = 0;
};

// A value beside a slice. Its name has static storage, unlike its text, which may be foreign.
struct TimelineArg {
  enum class Form : std::uint8_t { kNumber, kUnsigned, kText };
  std::string_view name;
  Form form = Form::kNumber;
  std::int64_t number = 0;
  std::string_view text = {};
};

// Arguments of one slice, in order; too many are dropped.
class TimelineArgs {
 public:
  void number(std::string_view name, std::int64_t value) { add({name, TimelineArg::Form::kNumber, value, {}}); }
  void unsigned_number(std::string_view name, std::uint64_t value) {
    add({name, TimelineArg::Form::kUnsigned, static_cast<std::int64_t>(value), {}});
  }
  // text must outlive the use of the arguments.
  void text(std::string_view name, std::string_view value) { add({name, TimelineArg::Form::kText, 0, value}); }
  std::span<const TimelineArg> all() const { return {args_.data(), count_}; }

 private:
  void add(const TimelineArg& arg) {
    if (count_ < args_.size()) args_[count_++] = arg;
  }
  std::array<TimelineArg, 20> args_;
  std::size_t count_ = 0;
};

// Where an arrow stands that leads from what waited to what woke it, and on to what ran then.
enum class FlowRole : std::uint8_t { kBegin, kStep, kEnd };

// Times are nanoseconds of CLOCK_MONOTONIC. Everything is borrowed for the time of a call.
struct TimelineSlice {
  TrackId track;
  std::uint64_t begin_ns = 0;
  std::uint64_t end_ns = 0;  // not before begin_ns
  std::string_view name;     // static storage, or kept by whoever reads the trace
  std::string_view category;
  std::span<const TimelineArg> args;
  std::span<const std::uint64_t> flows;  // arrows that pass through it
  FlowRole role = FlowRole::kStep;
  bool truncated = false;  // its end was not seen
};

struct TimelineInstant {
  TrackId track;
  std::uint64_t time_ns = 0;
  std::string_view name;
  std::string_view category;
  std::span<const TimelineArg> args;
  std::span<const std::uint64_t> flows;
};

enum class TimelineCounter : std::uint8_t { kParked, kRunnable, kWakeups, kLost };
inline constexpr std::size_t kTimelineCounters = 4;
std::string_view counter_name(TimelineCounter counter);

// Receives a timeline. Slices come when they end, in order of their ends, and so not in order of their begins; those of
// one track do not overlap, but may lie within each other on the track of a thread.
class TimelineSink {
 public:
  virtual ~TimelineSink() = default;
  // Before the first use of a track; again when more is known of its name.
  virtual void track(const TrackId& track, std::string_view name) = 0;
  virtual void slice(const TimelineSlice& slice) = 0;
  virtual void instant(const TimelineInstant& instant) = 0;
  // Of a process; of the whole trace (pid 0) for kLost.
  virtual void counter(TimelineCounter counter, pid_t pid, std::uint64_t time_ns, std::uint64_t value) = 0;
};

// "conn=c1, role=reader"
std::string labels_text(const trace::Labels& labels);

// A number of meta or totals; 0: it is not there.
std::uint64_t figure_of(const Json& json, const char* name);

// One thread at a time; events in order of time. Memory: bounded, whatever the length of the trace: a few words for
// each goroutine that lives and each track that is drawn.
class Timeline {
 public:
  // Tracks of one kind beyond this many are left out, and counted: no viewer shows more.
  static constexpr std::size_t kMostTracks = 4096;

  Timeline(TimelineSink& sink, const TimelineTracks& tracks) : sink_(sink), tracks_(tracks) {}

  // The first line of a stream.
  void begin(const Json& meta);
  void event(const trace::Record& record);
  // What is open ends here, since its end may be among what was lost.
  void lost(const trace::Loss& loss);
  // Ends what is open, and says what there was.
  void end(const Json& totals);

  std::uint64_t started_ns() const { return started_ns_; }

 private:
  enum class State : std::uint8_t { kUnknown, kRunning, kParked, kRunnable };
  struct Goroutine {
    State state = State::kUnknown;
    bool shown = false;
    std::uint64_t since_ns = 0;
    std::uint64_t flow = 0;  // from park on; 0: none
    int fd = -1;             // that it is parked for
    std::int64_t mode = -1;
    std::int64_t reason = 0;
    std::int64_t p = -1;  // that it runs on
    pid_t tid = 0;
    std::shared_ptr<const trace::Endpoint> endpoint;
  };
  struct Fd {
    std::uint64_t open_ns = 0;                   // registered since; 0: not, or not known
    std::uint64_t flow = 0;                      // of the poller's last report
    std::array<std::uint64_t, 2> wait_end_ns{};  // of the last wait to read, and to write
    std::array<bool, 2> declared{};
    std::shared_ptr<const trace::Endpoint> endpoint;
  };
  struct Thread {
    std::uint64_t poll_ns = 0;  // in the poller since; 0: is not
    std::int64_t timeout_ns = 0;
    std::uint64_t end_ns = 0;  // of its last slice
  };
  struct Process {
    bool declared = false;
    bool tells_itself = false;  // has tracepoints of libruntime
    std::unordered_map<std::uint64_t, Goroutine> goroutines;
    std::unordered_map<std::int64_t, std::uint64_t> running;  // P that is drawn -> goid; 0: none
    std::unordered_map<int, Fd> fds;
    std::unordered_map<pid_t, Thread> threads;
    std::array<std::uint64_t, kTimelineCounters> counters{};
    std::array<std::uint64_t, kTimelineCounters> written{};
    std::uint64_t written_ns = 0;
  };
  struct Group {
    std::size_t drawn = 0;
    std::uint64_t left_out = 0;  // times that something happened on a track which is not drawn
  };

  Process& process_of(pid_t pid);
  Goroutine& goroutine_of(Process& process, const trace::Record& record, std::uint64_t goid);
  // Null: not drawn.
  Fd* fd_of(Process& process, pid_t pid, int fd);
  Thread* thread_of(Process& process, pid_t pid, pid_t tid);
  bool draw(Group& group, bool wanted, const TrackId& track, std::string_view prefix, std::string_view suffix = {});

  void tracepoint(Process& process, const trace::Record& record);
  void call(Process& process, const trace::Record& record);
  void operation(Process& process, const trace::Record& record);
  void call_of_goroutine(Process& process, const trace::Record& record, std::uint64_t start_ns,
                         std::span<const TimelineArg> args);
  void wait_of_fd(Process& process, const trace::Record& record, std::uint64_t start_ns);
  void process_event(Process& process, const trace::Record& record);

  void enter(Process& process, Goroutine& g, State state, std::uint64_t time_ns);
  // Ends the slice that a goroutine is in.
  void leave(Process& process, pid_t pid, std::uint64_t goid, Goroutine& g, std::uint64_t time_ns, bool truncated);
  void close_fd(pid_t pid, int number, Fd& fd, std::uint64_t time_ns, bool truncated);
  void leave_poll(pid_t pid, pid_t tid, Thread& thread, std::uint64_t time_ns, std::optional<std::int64_t> n,
                  bool truncated);
  void close_all(pid_t pid, Process& process, std::uint64_t time_ns, bool truncated);
  void write_counters(pid_t pid, Process& process, std::uint64_t time_ns, bool all);

  TimelineSink& sink_;
  TimelineTracks tracks_;
  std::uint64_t started_ns_ = 0;
  std::uint64_t last_ns_ = 0;
  std::uint64_t flows_ = 0;
  std::uint64_t lost_ = 0;
  Group goroutines_;
  Group ps_;
  Group threads_;
  Group fds_;
  std::map<pid_t, std::string> names_;
  std::unordered_map<pid_t, Process> processes_;
};

}  // namespace netpoll::exporters
