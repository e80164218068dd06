// The format perfetto: a trace of ui.perfetto.dev as its own protocol buffers, a track for each process, goroutine, P,
// thread and descriptor.
//
// Numbers of fields and values: github.com/google/perfetto, protos/perfetto/trace/trace_packet.proto and the files it
// imports. A file is a sequence of Trace.packet; all of ours are one sequence of packets.
#include <array>
#include <protozero/pbf_writer.hpp>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "exporters/events/timeline_exporter.h"
#include "exporters/formats.h"
#include "exporters/text.h"

namespace netpoll::exporters {
namespace {

using protozero::pbf_writer;
using Tag = protozero::pbf_tag_type;

constexpr Tag kTracePacket = 1;
namespace packet {
enum : Tag {
  kClockSnapshot = 6,
  kTimestamp = 8,
  kTrustedPacketSequenceId = 10,
  kTrackEvent = 11,
  kInternedData = 12,
  kSequenceFlags = 13,
  kPreviousPacketDropped = 42,
  kTracePacketDefaults = 59,
  kTrackDescriptor = 60,
  kFirstPacketOnSequence = 87,
};
}
namespace clock_snapshot {
enum : Tag { kClocks = 1, kPrimaryTraceClock = 2 };
enum : Tag { kClockId = 1, kClockTimestamp = 2 };
}  // namespace clock_snapshot
namespace track_descriptor {
enum : Tag {
  kUuid = 1,
  kName = 2,
  kProcess = 3,
  kThread = 4,
  kParentUuid = 5,
  kCounter = 8,
  kChildOrdering = 11,
  kSiblingOrderRank = 12
};
enum : Tag { kProcessPid = 1, kProcessName = 6 };
enum : Tag { kThreadPid = 1, kThreadTid = 2, kThreadName = 5 };
enum : Tag { kCounterUnit = 3 };
}  // namespace track_descriptor
namespace track_event {
enum : Tag {
  kCategoryIids = 3,
  kDebugAnnotations = 4,
  kType = 9,
  kNameIid = 10,
  kTrackUuid = 11,
  kCounterValue = 30,
  kFlowIds = 47,
  kTerminatingFlowIds = 48
};
}
namespace debug_annotation {
enum : Tag { kNameIid = 1, kBool = 2, kUint = 3, kInt = 4, kString = 6 };
}
namespace interned_data {
enum : Tag { kEventCategories = 1, kEventNames = 2, kDebugAnnotationNames = 3 };
enum : Tag { kIid = 1, kName = 2 };
}  // namespace interned_data
constexpr Tag kDefaultsTimestampClockId = 58;

constexpr std::uint32_t kRealtime = 1;  // BuiltinClock
constexpr std::uint32_t kMonotonic = 3;
enum : std::uint32_t { kStateCleared = 1, kNeedsState = 2 };  // SequenceFlags
enum : std::int32_t { kSliceBegin = 1, kSliceEnd = 2, kInstantEvent = 3, kCounterEvent = 4 };
constexpr std::int32_t kExplicitOrder = 3;
constexpr std::int32_t kUnitCount = 2;
constexpr std::uint32_t kSequence = 1;

// Numbers of tracks are random-looking, and never 0: goids, descriptors and pids repeat each other.
std::uint64_t uuid_of(pid_t pid, std::uint64_t kind, std::uint64_t id) {
  // The finalizer of splitmix64.
  const auto mix = [](std::uint64_t x) {
    x += 0x9e3779b97f4a7c15;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
    x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
    return x ^ (x >> 31);
  };
  const std::uint64_t uuid = mix(mix((static_cast<std::uint64_t>(static_cast<std::uint32_t>(pid)) << 8) | kind) ^ id);
  return uuid != 0 ? uuid : 1;
}

std::uint64_t uuid_of(const TrackId& track) {
  return uuid_of(track.pid, static_cast<std::uint64_t>(track.kind), track.id);
}

// Tracks that hold others of one process.
enum class GroupKind : std::uint8_t { kGoroutines = 16, kPs, kFds, kCounters };

class PerfettoWriter : public TimelineSink {
 public:
  std::string& bytes() { return bytes_; }

  // The clocks, and what every packet has in common.
  void begin(const Json& meta) {
    {
      pbf_writer p(trace_, kTracePacket);
      p.add_uint32(packet::kTrustedPacketSequenceId, kSequence);
      p.add_bool(packet::kFirstPacketOnSequence, true);
      pbf_writer s(p, packet::kClockSnapshot);
      const auto clock = [&](std::uint32_t id, std::uint64_t now) {
        pbf_writer c(s, clock_snapshot::kClocks);
        c.add_uint32(clock_snapshot::kClockId, id);
        c.add_uint64(clock_snapshot::kClockTimestamp, now);
      };
      clock(kMonotonic, figure_of(meta, "started_ns"));
      if (const auto realtime_ns = figure_of(meta, "started_realtime_ns"); realtime_ns != 0) {
        clock(kRealtime, realtime_ns);
      }
      s.add_enum(clock_snapshot::kPrimaryTraceClock, static_cast<std::int32_t>(kMonotonic));
    }
    clear_state(/*dropped=*/false);
    counter_track(TimelineCounter::kLost, 0);
  }

  // After a loss the strings are said again.
  void lost() { clear_state(/*dropped=*/true); }
  void end(const Json&) {}

  void track(const TrackId& track, std::string_view name) override {
    const std::string text = printable(name);
    switch (track.kind) {
      case TrackKind::kTrace:
        group(uuid_of(track), 0, text, 0);
        return;
      case TrackKind::kProcess: {
        pbf_writer p = descriptor_packet();
        pbf_writer d(p, packet::kTrackDescriptor);
        d.add_uint64(track_descriptor::kUuid, uuid_of(track));
        pbf_writer process(d, track_descriptor::kProcess);
        process.add_int32(track_descriptor::kProcessPid, track.pid);
        if (!text.empty()) process.add_string(track_descriptor::kProcessName, text);
        return;
      }
      case TrackKind::kThread: {
        pbf_writer p = descriptor_packet();
        pbf_writer d(p, packet::kTrackDescriptor);
        d.add_uint64(track_descriptor::kUuid, uuid_of(track));
        d.add_uint64(track_descriptor::kParentUuid, uuid_of({TrackKind::kProcess, track.pid, 0}));
        pbf_writer thread(d, track_descriptor::kThread);
        thread.add_int32(track_descriptor::kThreadPid, track.pid);
        thread.add_int32(track_descriptor::kThreadTid, static_cast<std::int32_t>(track.id));
        thread.add_string(track_descriptor::kThreadName, text);
        return;
      }
      case TrackKind::kGoroutine:
        child(track, GroupKind::kGoroutines, "Goroutines", text);
        return;
      case TrackKind::kP:
        child(track, GroupKind::kPs, "Ps", text);
        return;
      case TrackKind::kFd:
      case TrackKind::kFdRead:
      case TrackKind::kFdWrite:
        child(track, GroupKind::kFds, "fds", text);
        return;
    }
  }

  void slice(const TimelineSlice& slice) override {
    const std::uint64_t uuid = uuid_of(slice.track);
    const Tag flow = slice.role == FlowRole::kEnd ? track_event::kTerminatingFlowIds : track_event::kFlowIds;
    event(slice.begin_ns, kSliceBegin, uuid, slice.name, slice.category, slice.args, slice.flows, flow,
          slice.truncated);
    event(slice.end_ns, kSliceEnd, uuid, {}, {}, {}, {}, flow, false);
  }

  void instant(const TimelineInstant& instant) override {
    event(instant.time_ns, kInstantEvent, uuid_of(instant.track), instant.name, instant.category, instant.args,
          instant.flows, track_event::kFlowIds, false);
  }

  void counter(TimelineCounter counter, pid_t pid, std::uint64_t time_ns, std::uint64_t value) override {
    const std::uint64_t uuid = counter_track(counter, pid);
    pbf_writer p = event_packet(time_ns);
    pbf_writer e(p, packet::kTrackEvent);
    e.add_enum(track_event::kType, kCounterEvent);
    e.add_uint64(track_event::kTrackUuid, uuid);
    e.add_int64(track_event::kCounterValue, static_cast<std::int64_t>(value));
  }

 private:
  enum Strings : std::uint8_t { kCategories, kNames, kAnnotations, kTables };
  struct Table {
    std::unordered_map<std::string_view, std::uint64_t> iids;
    std::uint64_t next = 1;
  };
  struct Fresh {
    Strings table;
    std::uint64_t iid;
    std::string_view text;
  };

  void clear_state(bool dropped) {
    for (Table& table : tables_) table.iids.clear();
    pbf_writer p(trace_, kTracePacket);
    p.add_uint32(packet::kTrustedPacketSequenceId, kSequence);
    p.add_uint32(packet::kSequenceFlags, kStateCleared);
    if (dropped) p.add_bool(packet::kPreviousPacketDropped, true);
    pbf_writer d(p, packet::kTracePacketDefaults);
    d.add_uint32(kDefaultsTimestampClockId, kMonotonic);
  }

  std::uint64_t iid(Strings table, std::string_view text) {
    Table& of = tables_.at(table);
    const auto [at, is_new] = of.iids.try_emplace(text, of.next);
    if (is_new) {
      ++of.next;
      fresh_.push_back({table, at->second, text});
    }
    return at->second;
  }

  void add_fresh(pbf_writer& p) {
    if (fresh_.empty()) return;
    pbf_writer data(p, packet::kInternedData);
    for (const Fresh& fresh : fresh_) {
      constexpr std::array<Tag, kTables> kFields = {interned_data::kEventCategories, interned_data::kEventNames,
                                                    interned_data::kDebugAnnotationNames};
      pbf_writer entry(data, kFields.at(fresh.table));
      entry.add_uint64(interned_data::kIid, fresh.iid);
      entry.add_string(interned_data::kName, printable(fresh.text));
    }
    fresh_.clear();
  }

  pbf_writer descriptor_packet() {
    pbf_writer p(trace_, kTracePacket);
    p.add_uint32(packet::kTrustedPacketSequenceId, kSequence);
    return p;
  }

  pbf_writer event_packet(std::uint64_t time_ns) {
    pbf_writer p(trace_, kTracePacket);
    p.add_uint64(packet::kTimestamp, time_ns);
    p.add_uint32(packet::kTrustedPacketSequenceId, kSequence);
    p.add_uint32(packet::kSequenceFlags, kNeedsState);
    return p;
  }

  void event(std::uint64_t time_ns, std::int32_t type, std::uint64_t uuid, std::string_view name,
             std::string_view category, std::span<const TimelineArg> args, std::span<const std::uint64_t> flows,
             Tag flow, bool truncated) {
    pbf_writer p = event_packet(time_ns);
    {
      pbf_writer e(p, packet::kTrackEvent);
      if (!category.empty()) e.add_uint64(track_event::kCategoryIids, iid(kCategories, category));
      for (const TimelineArg& arg : args) {
        const std::uint64_t name_iid = iid(kAnnotations, arg.name);
        pbf_writer a(e, track_event::kDebugAnnotations);
        a.add_uint64(debug_annotation::kNameIid, name_iid);
        switch (arg.form) {
          case TimelineArg::Form::kNumber:
            a.add_int64(debug_annotation::kInt, arg.number);
            break;
          case TimelineArg::Form::kUnsigned:
            a.add_uint64(debug_annotation::kUint, static_cast<std::uint64_t>(arg.number));
            break;
          case TimelineArg::Form::kText:
            a.add_string(debug_annotation::kString, printable(arg.text));
            break;
        }
      }
      if (truncated) {
        pbf_writer a(e, track_event::kDebugAnnotations);
        a.add_uint64(debug_annotation::kNameIid, iid(kAnnotations, "truncated"));
        a.add_bool(debug_annotation::kBool, true);
      }
      e.add_enum(track_event::kType, type);
      if (!name.empty()) e.add_uint64(track_event::kNameIid, iid(kNames, name));
      e.add_uint64(track_event::kTrackUuid, uuid);
      for (const std::uint64_t id : flows) e.add_fixed64(flow, id);
    }
    add_fresh(p);
  }

  // A track of ours, below another one unless parent is 0.
  void group(std::uint64_t uuid, std::uint64_t parent, std::string_view name, std::int32_t rank) {
    pbf_writer p = descriptor_packet();
    pbf_writer d(p, packet::kTrackDescriptor);
    d.add_uint64(track_descriptor::kUuid, uuid);
    d.add_string(track_descriptor::kName, name.data(), name.size());
    if (parent != 0) d.add_uint64(track_descriptor::kParentUuid, parent);
    d.add_enum(track_descriptor::kChildOrdering, kExplicitOrder);
    if (rank != 0) d.add_int32(track_descriptor::kSiblingOrderRank, rank);
  }

  // The track that holds those of one kind, declared with the first of them.
  std::uint64_t group_of(pid_t pid, GroupKind kind, std::string_view name) {
    const std::uint64_t uuid = uuid_of(pid, static_cast<std::uint64_t>(kind), 0);
    if (groups_.emplace(uuid, true).second) {
      group(uuid, uuid_of({TrackKind::kProcess, pid, 0}), name, static_cast<std::int32_t>(kind));
    }
    return uuid;
  }

  void child(const TrackId& track, GroupKind kind, std::string_view group_name, std::string_view name) {
    const auto rank = static_cast<std::int32_t>(std::min<std::uint64_t>(track.id, INT32_MAX));
    group(uuid_of(track), group_of(track.pid, kind, group_name), name, rank);
  }

  std::uint64_t counter_track(TimelineCounter counter, pid_t pid) {
    const std::uint64_t uuid =
        uuid_of(pid, static_cast<std::uint64_t>(GroupKind::kCounters), static_cast<std::uint64_t>(counter));
    if (!groups_.emplace(uuid, true).second) return uuid;
    pbf_writer p = descriptor_packet();
    pbf_writer d(p, packet::kTrackDescriptor);
    d.add_uint64(track_descriptor::kUuid, uuid);
    d.add_string(track_descriptor::kName, std::string(counter_name(counter)));
    d.add_uint64(track_descriptor::kParentUuid, pid != 0 ? uuid_of({TrackKind::kProcess, pid, 0}) : uuid_of(TrackId{}));
    pbf_writer c(d, track_descriptor::kCounter);
    c.add_enum(track_descriptor::kCounterUnit, kUnitCount);
    return uuid;
  }

  std::string bytes_;
  pbf_writer trace_{bytes_};
  std::array<Table, kTables> tables_;
  std::vector<Fresh> fresh_;                        // strings that the next packet introduces
  std::unordered_map<std::uint64_t, bool> groups_;  // that are declared
};

}  // namespace

std::unique_ptr<Exporter> make_perfetto(Destination& out, const ExportOptions& options) {
  return std::make_unique<TimelineExporter<PerfettoWriter>>(out, options);
}

}  // namespace netpoll::exporters
