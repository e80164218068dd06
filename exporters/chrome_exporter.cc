// The format chrome: trace event JSON, which DevTools, speedscope and Perfetto read.
//
// The format knows processes and threads only: goroutines, Ps, threads and descriptors are the "threads" of a pretend
// process each. docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU (Trace Event Format)
#include <array>
#include <map>
#include <string>
#include <unordered_map>

#include "exporters/events/timeline_exporter.h"
#include "exporters/events/words.h"
#include "exporters/formats.h"
#include "exporters/json.h"

namespace netpoll::exporters {
namespace {

// Above it a double cannot tell numbers apart.
constexpr std::uint64_t kExact = std::uint64_t{1} << 53;

class ChromeWriter : public TimelineSink {
 public:
  std::string& bytes() { return text_; }

  void begin(const Json& meta) {
    started_ns_ = figure_of(meta, "started_ns");
    text_ += R"({"displayTimeUnit":"ns","traceEvents":[)";
  }

  void lost() {}

  void end(const Json& totals) {
    text_ += "\n],\"otherData\":{\"tool\":\"netpoll-trace\"";
    for (const char* name : {"events", "lost"}) {
      const auto found = totals.find(name);
      if (found == totals.end() || !found->is_number_unsigned()) continue;
      text_.append(",\"").append(name).append("\":\"");
      append_unsigned(text_, found->get<std::uint64_t>());
      text_ += '"';
    }
    text_ += totals.value("cut_short", false) ? R"(,"cut_short":"true"}})" : R"(,"cut_short":"false"}})";
    text_ += '\n';
  }

  void track(const TrackId& track, std::string_view name) override {
    if (track.kind == TrackKind::kProcess) {
      processes_[track.pid] = name;
      return;
    }
    const Place place = place_of(track);
    open(place, 'M', "thread_name");
    text_ += R"(,"args":{"name":)";
    append_string(text_, name);
    close("}");
    open(place, 'M', "thread_sort_index");
    text_ += R"(,"args":{"sort_index":)";
    append_unsigned(text_, std::min<std::uint64_t>(place.tid, INT32_MAX));
    close("}");
  }

  void slice(const TimelineSlice& slice) override {
    const Place place = place_of(slice.track);
    open(place, 'X', slice.name);
    put_category(slice.category);
    put_time("ts", since(slice.begin_ns));
    put_duration(slice.end_ns - slice.begin_ns);
    put_args(slice.args, slice.truncated);
    close();
    for (const std::uint64_t id : slice.flows) flow(place, id, slice);
  }

  void instant(const TimelineInstant& instant) override {
    open(place_of(instant.track), 'i', instant.name);
    put_category(instant.category);
    put_time("ts", since(instant.time_ns));
    text_ += R"(,"s":"t")";
    put_args(instant.args, false);
    close();
  }

  void counter(TimelineCounter counter, pid_t pid, std::uint64_t time_ns, std::uint64_t value) override {
    open(place_of({.kind = pid != 0 ? TrackKind::kProcess : TrackKind::kTrace, .pid = pid, .id = 0}), 'C',
         counter_name(counter));
    put_time("ts", since(time_ns));
    text_ += R"(,"args":{"value":)";
    append_unsigned(text_, value);
    close("}");
  }

 private:
  // Of the pretend process and its thread.
  struct Place {
    std::uint64_t pid = 0;
    std::uint64_t tid = 0;
  };

  static std::string_view group_of(TrackKind kind) {
    switch (kind) {
      case TrackKind::kGoroutine:
        return "goroutines";
      case TrackKind::kP:
        return "Ps";
      case TrackKind::kThread:
        return "threads";
      case TrackKind::kFd:
      case TrackKind::kFdRead:
      case TrackKind::kFdWrite:
        return "fds";
      case TrackKind::kProcess:
        return "process";
      case TrackKind::kTrace:
        break;
    }
    return "";
  }

  Place place_of(const TrackId& track) {
    const std::string_view group = group_of(track.kind);
    Place place{.pid = 0, .tid = track.id};
    if (track.kind == TrackKind::kFd) place.tid = track.id * 3;
    if (track.kind == TrackKind::kFdRead) place.tid = track.id * 3 + 1;
    if (track.kind == TrackKind::kFdWrite) place.tid = track.id * 3 + 2;
    const auto [at, is_new] = groups_.try_emplace({track.pid, group}, groups_.size() + 1);
    place.pid = at->second;
    if (!is_new) return place;
    std::string name = "netpoll-trace";
    if (track.kind != TrackKind::kTrace) {
      const auto known = processes_.find(track.pid);
      name = (known != processes_.end() ? known->second : std::string()) + " (pid ";
      append_number(name, track.pid);
      name.append("): ").append(group);
    }
    open({place.pid, 0}, 'M', "process_name");
    text_ += R"(,"args":{"name":)";
    append_string(text_, name);
    close("}");
    open({place.pid, 0}, 'M', "process_sort_index");
    text_ += R"(,"args":{"sort_index":)";
    append_unsigned(text_, place.pid);
    close("}");
    return place;
  }

  std::uint64_t since(std::uint64_t time_ns) const { return time_ns > started_ns_ ? time_ns - started_ns_ : 0; }

  void open(const Place& place, char phase, std::string_view name) {
    text_ += first_ ? "\n{\"ph\":\"" : ",\n{\"ph\":\"";
    first_ = false;
    text_ += phase;
    text_ += R"(","pid":)";
    append_unsigned(text_, place.pid);
    text_ += R"(,"tid":)";
    if (place.tid < kExact) {
      append_unsigned(text_, place.tid);
    } else {
      text_ += '"';
      append_unsigned(text_, place.tid);
      text_ += '"';
    }
    text_ += R"(,"name":)";
    append_string(text_, name);
  }
  void close(std::string_view more = {}) { text_.append(more).append("}"); }

  void put_category(std::string_view category) { text_.append(R"(,"cat":")").append(category).append("\""); }

  // Microseconds, exactly.
  void put_time(std::string_view name, std::uint64_t ns) {
    text_.append(",\"").append(name).append("\":");
    append_unsigned(text_, ns / 1000);
    const auto fraction = static_cast<unsigned>(ns % 1000);
    const std::array<char, 4> digits = {'.', static_cast<char>('0' + fraction / 100),
                                        static_cast<char>('0' + fraction / 10 % 10),
                                        static_cast<char>('0' + fraction % 10)};
    text_.append(digits.data(), digits.size());
  }

  // A tenth of a nanosecond less: readers subtract the first ts from the others and add dur, all as doubles, and where
  // a sum comes out a little too large the slice ends within the one that follows it (speedscope then merges the two).
  void put_duration(std::uint64_t ns) {
    const std::uint64_t tenths = ns == 0 ? 0 : ns * 10 - 1;
    put_time("dur", tenths / 10);
    text_ += static_cast<char>('0' + tenths % 10);
  }

  void put_args(std::span<const TimelineArg> args, bool truncated) {
    text_ += R"(,"args":{)";
    bool first = true;
    const auto key = [&](std::string_view name) {
      if (!first) text_ += ',';
      first = false;
      append_string(text_, name);
      text_ += ':';
    };
    for (const TimelineArg& arg : args) {
      key(arg.name);
      switch (arg.form) {
        case TimelineArg::Form::kNumber:
          append_number(text_, arg.number);
          break;
        case TimelineArg::Form::kUnsigned: {
          const auto value = static_cast<std::uint64_t>(arg.number);
          if (value >= kExact) text_ += '"';
          append_unsigned(text_, value);
          if (value >= kExact) text_ += '"';
          break;
        }
        case TimelineArg::Form::kText:
          append_string(text_, arg.text);
          break;
      }
    }
    if (truncated) {
      key("truncated");
      text_ += "true";
    }
    text_ += '}';
  }

  // Instants have no place for an arrow: it leads from what waited, or reported, to what ran.
  void flow(const Place& place, std::uint64_t id, const TimelineSlice& slice) {
    if (slice.role == FlowRole::kStep) return;
    const bool ends = slice.role == FlowRole::kEnd;
    open(place, ends ? 'f' : 's', "wake-up");
    put_category("flow");
    put_time("ts", since(slice.begin_ns));
    text_ += R"(,"id":)";
    append_unsigned(text_, id);
    close(ends ? R"(,"bp":"e")" : "");
  }

  std::string text_;
  bool first_ = true;
  std::uint64_t started_ns_ = 0;
  std::unordered_map<pid_t, std::string> processes_;
  std::map<std::pair<pid_t, std::string_view>, std::uint64_t> groups_;  // pretend processes
};

}  // namespace

std::unique_ptr<Exporter> make_chrome(Destination& out, const ExportOptions& options) {
  return std::make_unique<TimelineExporter<ChromeWriter>>(out, options);
}

}  // namespace netpoll::exporters
