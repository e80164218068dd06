// Writes the profile's messages with protozero. Field numbers: github.com/google/pprof, proto/profile.proto.
#include "exporters/goroutines/pprof.h"

#include <algorithm>
#include <array>
#include <map>
#include <numeric>
#include <protozero/pbf_writer.hpp>
#include <tuple>
#include <vector>

#include "exporters/goroutines/names.h"
#include "exporters/text.h"

#if NETPOLL_HAVE_ZLIB
#include <zlib.h>

#include <cstdlib>
#endif

namespace netpoll::exporters {
namespace {

using protozero::pbf_writer;
using trace::Frame;
using trace::Goroutine;
using trace::GoroutineSnapshot;

namespace profile {
enum : protozero::pbf_tag_type {
  kSampleType = 1,
  kSample = 2,
  kMapping = 3,
  kLocation = 4,
  kFunction = 5,
  kStringTable = 6,
  kTimeNanos = 9,
  kDurationNanos = 10,
  kPeriodType = 11,
  kPeriod = 12,
  kComment = 13,
  kDefaultSampleType = 14,
};
}
namespace value_type {
enum : protozero::pbf_tag_type { kType = 1, kUnit = 2 };
}
namespace sample {
enum : protozero::pbf_tag_type { kLocationId = 1, kValue = 2, kLabel = 3 };
}
namespace label {
enum : protozero::pbf_tag_type { kKey = 1, kStr = 2, kNum = 3, kNumUnit = 4 };
}
namespace mapping {
enum : protozero::pbf_tag_type {
  kId = 1,
  kFilename = 5,
  kHasFunctions = 7,
  kHasFilenames = 8,
  kHasLineNumbers = 9,
  kHasInlineFrames = 10,
};
}
namespace location {
enum : protozero::pbf_tag_type { kId = 1, kMappingId = 2, kAddress = 3, kLine = 4 };
}
namespace line {
enum : protozero::pbf_tag_type { kFunctionId = 1, kLine = 2 };
}
namespace function {
enum : protozero::pbf_tag_type { kId = 1, kName = 2, kSystemName = 3, kFilename = 4 };
}

// A label is a text, or a number with a unit. Strings by their numbers in the table.
struct Label {
  std::int64_t key = 0;
  std::int64_t str = 0;
  std::int64_t num = 0;
  std::int64_t unit = 0;

  auto all() const { return std::tie(key, str, num, unit); }
  bool operator<(const Label& other) const { return all() < other.all(); }
};

// Locations, innermost first, and labels.
using SampleKey = std::pair<std::vector<std::uint64_t>, std::vector<Label>>;

struct SampleValue {
  std::int64_t goroutines = 0;
  std::int64_t wait_ns = 0;
};

// "10.0.0.1:5432" -> "10.0.0.1": each connection of a client has a port of its own, and equal samples are added up.
std::string_view without_port(const Goroutine& g) {
  const std::string_view peer = g.peer;
  const bool has_port = g.kind == "tcp" || g.kind == "udp";
  return has_port ? peer.substr(0, peer.rfind(':')) : peer;
}

class ProfileWriter {
 public:
  explicit ProfileWriter(const PprofOptions& options) : options_(options) {
    text("");  // by the format's rule the first one
  }

  // Counts goroutines, each `sign` times.
  void add(const GoroutineSnapshot& snapshot, std::span<const std::uint32_t> shown, std::int64_t sign) {
    location_of_.clear();
    for (const std::uint32_t index : shown) {
      const Goroutine& g = snapshot.goroutines.at(index);
      SampleValue& value = samples_[{locations_of(snapshot, g), labels_of(snapshot, g)}];
      value.goroutines += sign;
      value.wait_ns += sign * known_wait_ns(g).value_or(0);
    }
  }

  std::string write(std::int64_t duration_ns) {
    value_type(profile::kSampleType, "goroutine", "count");
    value_type(profile::kSampleType, "delay", "nanoseconds");
    value_type(profile::kPeriodType, "goroutine", "count");
    profile_.add_int64(profile::kPeriod, 1);
    profile_.add_int64(profile::kDefaultSampleType, text("goroutine"));
    const auto taken_at = options_.taken_at.time_since_epoch();
    profile_.add_int64(profile::kTimeNanos, std::chrono::duration_cast<std::chrono::nanoseconds>(taken_at).count());
    profile_.add_int64(profile::kDurationNanos, duration_ns);
    write_mapping();
    write_samples();
    write_strings();
    return std::move(bytes_);
  }

  std::string write(const WaitStacks& waits, const PprofTrace& trace) {
    value_type(profile::kSampleType, "waits", "count");
    value_type(profile::kSampleType, "network", "nanoseconds");
    value_type(profile::kSampleType, "cpu", "nanoseconds");
    profile_.add_int64(profile::kDefaultSampleType, text("network"));
    const auto started_at = trace.started_at.time_since_epoch();
    profile_.add_int64(profile::kTimeNanos, std::chrono::duration_cast<std::chrono::nanoseconds>(started_at).count());
    profile_.add_int64(profile::kDurationNanos, trace.duration.count());
    write_mapping();
    for (const auto& [stack, sums] : waits.all()) {
      std::vector<std::uint64_t> locations;
      for (auto name = stack.rbegin(); name != stack.rend(); ++name) locations.push_back(location_of(*name));
      pbf_writer s(profile_, profile::kSample);
      s.add_packed_uint64(sample::kLocationId, locations.begin(), locations.end());
      const std::array<std::int64_t, 3> values = {static_cast<std::int64_t>(sums.count),
                                                  static_cast<std::int64_t>(sums.network_ns),
                                                  static_cast<std::int64_t>(sums.cpu_ns)};
      s.add_packed_int64(sample::kValue, values.begin(), values.end());
    }
    for (const std::string& comment : trace.comments) profile_.add_int64(profile::kComment, text(comment));
    write_strings();
    return std::move(bytes_);
  }

 private:
  static constexpr std::uint64_t kMapping = 1;

  // It says that names and lines are there already: pprof would look for the executable otherwise.
  void write_mapping() {
    pbf_writer m(profile_, profile::kMapping);
    m.add_uint64(mapping::kId, kMapping);
    m.add_int64(mapping::kFilename, text(options_.program));
    m.add_bool(mapping::kHasFunctions, true);
    m.add_bool(mapping::kHasFilenames, true);
    m.add_bool(mapping::kHasLineNumbers, true);
    m.add_bool(mapping::kHasInlineFrames, true);
  }

  void write_strings() {
    for (const std::string* string : strings_) profile_.add_string(profile::kStringTable, *string);
  }

  // What is no function of a program stands for one: a number of its own, without an address.
  std::uint64_t location_of(const std::string& name) {
    const auto [entry, is_new] = named_.try_emplace(name, named_.size() + 1);
    if (!is_new) return entry->second;
    {
      const std::int64_t string = text(name);
      pbf_writer f(profile_, profile::kFunction);
      f.add_uint64(function::kId, entry->second);
      f.add_int64(function::kName, string);
      f.add_int64(function::kSystemName, string);
    }
    pbf_writer l(profile_, profile::kLocation);
    l.add_uint64(location::kId, entry->second);
    l.add_uint64(location::kMappingId, kMapping);
    pbf_writer at(l, location::kLine);
    at.add_uint64(line::kFunctionId, entry->second);
    return entry->second;
  }

  std::int64_t text(std::string_view foreign) {
    const auto [entry, is_new] = string_ids_.try_emplace(printable(foreign), strings_.size());
    if (is_new) strings_.push_back(&entry->first);
    return static_cast<std::int64_t>(entry->second);
  }

  void value_type(protozero::pbf_tag_type field, std::string_view type, std::string_view unit) {
    pbf_writer v(profile_, field);
    v.add_int64(value_type::kType, text(type));
    v.add_int64(value_type::kUnit, text(unit));
  }

  void write_samples() {
    for (const auto& [key, value] : samples_) {
      if (value.goroutines == 0 && value.wait_ns == 0) continue;  // of a difference
      pbf_writer s(profile_, profile::kSample);
      s.add_packed_uint64(sample::kLocationId, key.first.begin(), key.first.end());
      const std::array<std::int64_t, 2> values = {value.goroutines, value.wait_ns};
      s.add_packed_int64(sample::kValue, values.begin(), values.end());
      for (const Label& label : key.second) {
        pbf_writer l(s, sample::kLabel);
        l.add_int64(label::kKey, label.key);
        if (label.str != 0) l.add_int64(label::kStr, label.str);
        if (label.num != 0) l.add_int64(label::kNum, label.num);
        if (label.unit != 0) l.add_int64(label::kNumUnit, label.unit);
      }
    }
  }

  std::vector<Label> labels_of(const GoroutineSnapshot& snapshot, const Goroutine& g) {
    std::vector<Label> labels;
    const auto add = [&](std::string_view key, std::string_view value) {
      if (!value.empty()) labels.push_back({.key = text(key), .str = text(value)});
    };
    const auto add_number = [&](std::string_view key, std::int64_t value, std::string_view unit) {
      labels.push_back({.key = text(key), .num = value, .unit = text(unit)});
    };
    for (const auto& [key, value] : g.labels) add(key, value);
    add("status", g.status);
    add("wait_reason", g.wait_reason);
    if (g.mode) add("mode", *g.mode == trace::IoMode::kRead ? "read" : "write");
    if (g.fd) add_number("fd", *g.fd, "");
    add("peer", options_.per_goroutine ? std::string_view(g.peer) : without_port(g));
    if (options_.per_goroutine) {
      const auto goid = static_cast<std::int64_t>(g.goid);
      add_number("goid", goid, "");
      add_number("go::goroutine", goid, "");
      add("go::goroutine_state", state_of(g));
      if (const auto wait = known_wait_ns(g)) {
        constexpr std::int64_t kMinute = 60'000'000'000;
        add_number("wait", *wait, "nanoseconds");
        add_number("go::goroutine_wait_minutes", *wait / kMinute, "minutes");
      }
      if (const Frame* creator = frame_at(snapshot, g.created_by)) {
        add("go::goroutine_created_by", frame_name(*creator));
      }
    }
    std::sort(labels.begin(), labels.end());
    return labels;
  }

  std::vector<std::uint64_t> locations_of(const GoroutineSnapshot& snapshot, const Goroutine& g) {
    std::vector<std::uint64_t> ids;
    std::vector<const Frame*> lines;  // of one location: inlined calls share the address of the function around them
    for (const Frame* frame : shown_frames(snapshot, g, options_.everything)) {
      const bool same = !lines.empty() && lines.back()->inlined && lines.back()->pc == frame->pc;
      if (!same && !lines.empty()) {
        ids.push_back(location_id(lines));
        lines.clear();
      }
      lines.push_back(frame);
    }
    static const Frame kUnknown{.function = "(unknown)"};
    if (lines.empty()) lines.push_back(&kUnknown);  // a sample has a place
    ids.push_back(location_id(lines));
    return ids;
  }

  std::uint64_t location_id(const std::vector<const Frame*>& lines) {
    const auto [known, is_new] = location_of_.try_emplace(lines);
    if (is_new) known->second = new_location_id(lines);
    return known->second;
  }

  // The same in each snapshot.
  std::uint64_t new_location_id(const std::vector<const Frame*>& lines) {
    // Of the call, not of what comes after it.
    const std::uint64_t pc = lines.front()->pc > 0 ? lines.front()->pc - 1 : 0;
    LocationKey key{pc, {}};
    for (const Frame* frame : lines) key.second.emplace_back(function_id(*frame), frame->line);
    const auto [entry, is_new] = location_ids_.try_emplace(std::move(key), location_ids_.size() + 1);
    if (!is_new) return entry->second;
    pbf_writer l(profile_, profile::kLocation);
    l.add_uint64(location::kId, entry->second);
    l.add_uint64(location::kMappingId, kMapping);
    l.add_uint64(location::kAddress, pc);
    for (const auto& [function, number] : entry->first.second) {
      pbf_writer at(l, location::kLine);
      at.add_uint64(line::kFunctionId, function);
      at.add_int64(line::kLine, number);
    }
    return entry->second;
  }

  std::uint64_t function_id(const Frame& frame) {
    const std::int64_t name = text(frame_name(frame));
    const std::int64_t system_name = frame.function.empty() ? name : text(frame.function);
    const std::int64_t file = text(frame.file);
    const auto [entry, is_new] =
        function_ids_.try_emplace(std::tuple(name, system_name, file), function_ids_.size() + 1);
    if (!is_new) return entry->second;
    pbf_writer f(profile_, profile::kFunction);
    f.add_uint64(function::kId, entry->second);
    f.add_int64(function::kName, name);
    f.add_int64(function::kSystemName, system_name);
    f.add_int64(function::kFilename, file);
    return entry->second;
  }

  // Address, and the function and line of each call there, innermost first.
  using LocationKey = std::pair<std::uint64_t, std::vector<std::pair<std::uint64_t, int>>>;

  const PprofOptions& options_;
  std::string bytes_;
  pbf_writer profile_{bytes_};
  std::map<std::string, std::uint64_t> named_;  // of waits: function and location
  std::map<std::string, std::size_t> string_ids_;
  std::vector<const std::string*> strings_;  // keys of string_ids_, in the order of their numbers
  std::map<std::vector<const Frame*>, std::uint64_t> location_of_;  // of the snapshot that is being added
  std::map<LocationKey, std::uint64_t> location_ids_;
  std::map<SampleKey, SampleValue> samples_;
  std::map<std::tuple<std::int64_t, std::int64_t, std::int64_t>, std::uint64_t> function_ids_;
};

}  // namespace

std::string pprof_profile(const GoroutineSnapshot& snapshot, std::span<const std::uint32_t> shown,
                          const PprofOptions& options) {
  ProfileWriter writer(options);
  writer.add(snapshot, shown, 1);
  return writer.write(snapshot.took_ns);
}

std::string pprof_difference(const GoroutineSnapshot& earlier, const GoroutineSnapshot& snapshot,
                             std::chrono::nanoseconds before, const PprofOptions& options) {
  const auto all_of = [](const GoroutineSnapshot& s) {
    std::vector<std::uint32_t> all(s.goroutines.size());
    std::iota(all.begin(), all.end(), 0);
    return all;
  };
  ProfileWriter writer(options);
  writer.add(snapshot, all_of(snapshot), 1);
  writer.add(earlier, all_of(earlier), -1);
  return writer.write(before.count());
}

std::string pprof_profile(const WaitStacks& waits, const std::string& program, const PprofTrace& trace) {
  return ProfileWriter({.program = program, .taken_at = {}}).write(waits, trace);
}

#if NETPOLL_HAVE_ZLIB
std::string gzipped(std::string bytes) {
  constexpr int kGzip = 16 + MAX_WBITS;  // a header of gzip's; deflateInit2 leaves its time at 0
  z_stream stream{};
  // Both can only fail for want of memory, or by a mistake in these arguments.
  if (deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, kGzip, 8, Z_DEFAULT_STRATEGY) != Z_OK) std::abort();
  std::string out(deflateBound(&stream, bytes.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(bytes.data());
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  if (deflate(&stream, Z_FINISH) != Z_STREAM_END) std::abort();
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}
#else
std::string gzipped(std::string bytes) { return bytes; }
#endif

}  // namespace netpoll::exporters
