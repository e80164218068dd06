// The format speedscope: the waits of a trace as stacks, and what the goroutines that waited longest did, one timeline
// each. www.speedscope.app/file-format-schema.json
#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "exporters/events/slice_store.h"
#include "exporters/events/timeline_exporter.h"
#include "exporters/events/wait_stacks.h"
#include "exporters/events/words.h"
#include "exporters/formats.h"
#include "exporters/json.h"

namespace netpoll::exporters {
namespace {

// The viewer's list is flat.
constexpr std::size_t kMostTimelines = 64;

class SpeedscopeWriter : public TimelineSink {
 public:
  std::string& bytes() { return bytes_; }
  WaitStacks& waits() { return waits_; }

  void begin(const Json& meta) {
    started_ns_ = last_ns_ = figure_of(meta, "started_ns");
    waits_.begin(meta);
    const auto names = process_names(meta);
    title_ = names.empty() ? "trace" : names.size() == 1 ? names.begin()->second : "several processes";
  }
  void lost() {}

  void track(const TrackId& track, std::string_view name) override { store_.track(track, name); }
  void slice(const TimelineSlice& slice) override {
    last_ns_ = std::max(last_ns_, slice.end_ns);
    // A goroutine, or where there are none a direction of a descriptor, waits and runs; the rest would hide that.
    const TrackKind kind = slice.track.kind;
    if (kind == TrackKind::kGoroutine || kind == TrackKind::kFdRead || kind == TrackKind::kFdWrite) {
      store_.slice(slice);
    }
  }
  void instant(const TimelineInstant& instant) override { last_ns_ = std::max(last_ns_, instant.time_ns); }
  void counter(TimelineCounter, pid_t, std::uint64_t, std::uint64_t) override {}

  void end(const Json& totals) {
    std::string title = title_;
    if (const auto lost = figure_of(totals, "lost"); lost != 0) title += ", " + std::to_string(lost) + " events lost";
    if (totals.value("cut_short", false)) title += ", cut short: no end line";
    std::string profiles = "[" + of_waits();
    append_timelines(profiles);
    Json frames = Json::array();
    for (const std::string& name : frames_.texts()) frames.push_back({{"name", name}});
    Json document = {{"$schema", "https://www.speedscope.app/file-format-schema.json"},
                     {"exporter", "netpoll-trace"},
                     {"name", title},
                     {"activeProfileIndex", 0},
                     {"shared", {{"frames", std::move(frames)}}}};
    bytes_ += to_line(document);
    bytes_.resize(bytes_.size() - 2);  // its end, which comes behind the profiles
    bytes_.append(",\"profiles\":").append(profiles).append("]}\n");
  }

 private:
  // Names beyond those that can be told apart are one.
  std::uint32_t frame(std::string_view name) { return frames_.number_of(name).value_or(0); }

  std::string of_waits() {
    frame("(others)");
    Json samples = Json::array();
    Json weights = Json::array();
    std::uint64_t total = 0;
    for (const auto& [stack, waits] : waits_.all()) {
      Json sample = Json::array();
      for (const std::string& name : stack) sample.push_back(frame(name));
      for (const auto& [state, ns] : {std::pair("[park IO wait]", waits.network_ns), {"[runnable]", waits.cpu_ns}}) {
        if (ns == 0) continue;
        Json whole = sample;
        whole.push_back(frame(state));
        samples.push_back(std::move(whole));
        weights.push_back(ns);
        total += ns;
      }
    }
    const Json profile = {{"type", "sampled"},
                          {"name", "waits by program, labels and peer"},
                          {"unit", "nanoseconds"},
                          {"startValue", 0},
                          {"endValue", total},
                          {"samples", std::move(samples)},
                          {"weights", std::move(weights)}};
    return compact(profile);
  }

  // Of those that were parked longest. As text: a document of so many events would take ten times the memory.
  void append_timelines(std::string& out) {
    std::vector<std::pair<std::uint64_t, const SliceStore::Lane*>> worst;
    for (const SliceStore::Lane* lane : store_.lanes()) {
      std::uint64_t parked = 0;
      const auto slices = store_.slices_of(*lane);
      for (const SliceStore::Slice& slice : slices) {
        if (store_.names().texts().at(slice.name) == "park") parked += slice.length_ns;
      }
      if (!slices.empty()) worst.emplace_back(parked, lane);
    }
    std::stable_sort(worst.begin(), worst.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
    if (worst.size() > kMostTimelines) worst.resize(kMostTimelines);
    for (const auto& [parked, lane] : worst) {
      out += R"(,{"type":"evented","name":)";
      append_string(out, store_.process_of(*lane) + " " + lane->name);
      out += R"(,"unit":"nanoseconds","startValue":0,"endValue":)";
      append_unsigned(out, last_ns_ - started_ns_);
      out += R"(,"events":[)";
      bool first = true;
      const auto event = [&](char type, std::uint32_t frame, std::uint64_t at) {
        out += first ? "" : ",";
        first = false;
        out.append(R"({"type":")").append(1, type).append(R"(","frame":)");
        append_unsigned(out, frame);
        out += R"(,"at":)";
        append_unsigned(out, at);
        out += '}';
      };
      for (const SliceStore::Slice& slice : store_.slices_of(*lane)) {
        const std::uint64_t begin = slice.begin_ns > started_ns_ ? slice.begin_ns - started_ns_ : 0;
        const std::uint32_t name = frame(store_.names().texts().at(slice.name));
        event('O', name, begin);
        event('C', name, begin + slice.length_ns);
      }
      out += "]}";
    }
  }

  std::string bytes_;
  std::string title_;
  std::uint64_t started_ns_ = 0;
  std::uint64_t last_ns_ = 0;
  SliceStore store_;
  WaitStacks waits_;
  Strings frames_;
};

class SpeedscopeExporter : public TimelineExporter<SpeedscopeWriter> {
 public:
  using TimelineExporter::TimelineExporter;

  Result<void> event(const trace::Record& record) override {
    writer().waits().add(record);
    return TimelineExporter::event(record);
  }
};

}  // namespace

std::unique_ptr<Exporter> make_speedscope(Destination& out, const ExportOptions& options) {
  return std::make_unique<SpeedscopeExporter>(out, options);
}

}  // namespace netpoll::exporters
