// The format html: one page that needs nothing else, with the timeline of a trace, histograms and tables; or with the
// goroutines of a snapshot, or what another document says.
//
// What it shows of a trace is chosen here, in bounded memory; the page only draws.
#include <algorithm>
#include <string>
#include <utility>

#include "exporters/events/slice_store.h"
#include "exporters/events/timeline_exporter.h"
#include "exporters/formats.h"
#include "exporters/goroutines/document.h"
#include "exporters/goroutines/names.h"
#include "exporters/html/page.h"
#include "exporters/html/trace_figures.h"
#include "exporters/json.h"
#include "exporters/snapshot_document.h"

namespace netpoll::exporters {
namespace {

constexpr std::size_t kMostLosses = 1000;

class HtmlWriter : public TimelineSink {
 public:
  std::string& bytes() { return bytes_; }
  TraceFigures& figures() { return figures_; }

  void begin(const Json& meta) {
    started_ns_ = last_ns_ = figure_of(meta, "started_ns");
    page_ = Json::object();
    const auto text = [](const Json& json, const char* name) {
      return json.is_object() && json.contains(name) && json.at(name).is_string() ? json.at(name).get<std::string>()
                                                                                  : std::string();
    };
    const std::string comm = meta.contains("target") ? text(meta.at("target"), "comm") : std::string();
    page_["title"] = comm.empty() ? "several processes" : comm;
    page_["started_at"] = text(meta, "started_at");
    page_["backend"] = meta.contains("probe") ? text(meta.at("probe"), "backend") : std::string();
  }
  void lost() {}

  void track(const TrackId& track, std::string_view name) override { store_.track(track, name); }

  void slice(const TimelineSlice& slice) override {
    last_ns_ = std::max(last_ns_, slice.end_ns);
    store_.slice(slice);
  }

  void instant(const TimelineInstant& instant) override {
    last_ns_ = std::max(last_ns_, instant.time_ns);
    for (const TimelineArg& arg : instant.args) {
      if (arg.name.starts_with("left_out")) left_out_ += static_cast<std::uint64_t>(arg.number);
      if (instant.name == "events lost" && arg.name == "count" && losses_.size() < kMostLosses) {
        losses_.push_back({{"t", std::max(instant.time_ns, started_ns_) - started_ns_}, {"count", arg.number}});
      }
    }
  }

  void counter(TimelineCounter, pid_t, std::uint64_t, std::uint64_t) override {}

  void end(const Json& totals) {
    page_["duration_ns"] = last_ns_ - started_ns_;
    page_["events"] = figure_of(totals, "events");
    page_["lost"] = figure_of(totals, "lost");
    page_["cut_short"] = totals.value("cut_short", false);
    page_["short_slices"] = store_.left_out();
    page_["shortest_ns"] = store_.shortest_ns();
    page_["left_out"] = left_out_;
    page_["losses"] = losses_;
    page_["strings"] = store_.peers().texts();
    page_["names"] = store_.names().texts();
    figures_.write(page_, store_.processes());
    write_lanes();
    bytes_ += filled_page(html_trace_page(), page_);
  }

 private:
  static const char* kind_of(TrackKind kind) {
    switch (kind) {
      case TrackKind::kGoroutine:
        return "g";
      case TrackKind::kP:
        return "p";
      case TrackKind::kThread:
        return "m";
      case TrackKind::kFd:
      case TrackKind::kFdRead:
      case TrackKind::kFdWrite:
        return "fd";
      case TrackKind::kTrace:
      case TrackKind::kProcess:
        break;
    }
    return "trace";
  }

  // Each with its slices: begin, length, name, and one more than the number of its peer.
  void write_lanes() {
    Json lanes = Json::array();
    for (const SliceStore::Lane* lane : store_.lanes()) {
      Json list = Json::array();
      for (const SliceStore::Slice& slice : store_.slices_of(*lane)) {
        list.push_back(slice.begin_ns > started_ns_ ? slice.begin_ns - started_ns_ : 0);
        list.push_back(slice.length_ns);
        list.push_back(slice.name);
        list.push_back(slice.peer ? *slice.peer + 1 : 0);
      }
      if (list.empty()) continue;
      lanes.push_back({{"kind", kind_of(lane->track.kind)},
                       {"id", lane->track.id},
                       {"name", lane->name},
                       {"process", store_.process_of(*lane)},
                       {"p", lane->peers},
                       {"fds", lane->fds},
                       {"s", std::move(list)}});
    }
    page_["lanes"] = std::move(lanes);
  }

  std::string bytes_;
  Json page_;
  std::uint64_t started_ns_ = 0;
  std::uint64_t last_ns_ = 0;
  SliceStore store_;
  Json losses_ = Json::array();
  std::uint64_t left_out_ = 0;
  TraceFigures figures_;
};

class HtmlExporter : public TimelineExporter<HtmlWriter> {
 public:
  HtmlExporter(Destination& out, const ExportOptions& options)
      : TimelineExporter(out, options), out_(out), everything_(options.everything) {}

  Result<void> event(const trace::Record& record) override {
    writer().figures().add(record);
    return TimelineExporter::event(record);
  }

  Result<void> result(const Json& document) override {
    return write({{"document", document}, {"stacks", nullptr}, {"frames", nullptr}});
  }

  // Each stack by the numbers of its frames, innermost first, in the order of .goroutines[].
  Result<void> snapshot(const SnapshotDocument& document) override {
    Json stacks = Json::array();
    for (const std::uint32_t index : document.shown) {
      const trace::Goroutine& g = document.snapshot.goroutines.at(index);
      Json stack = Json::array();
      for (const std::uint32_t frame : g.stack) {
        if (everything_ || !document.snapshot.frames.at(frame).hidden) stack.push_back(frame);
      }
      stacks.push_back(std::move(stack));
    }
    Json frames = Json::array();
    for (const trace::Frame& frame : document.snapshot.frames) {
      std::string text = frame_name(frame);
      if (!frame.file.empty()) text += "  " + frame.file;
      if (frame.line > 0) text += ":" + std::to_string(frame.line);
      frames.push_back(std::move(text));
    }
    return write({{"document", snapshot_json(document)}, {"stacks", std::move(stacks)}, {"frames", std::move(frames)}});
  }

 private:
  Result<void> write(const Json& data) { return out_.write(filled_page(html_document_page(), data)); }

  Destination& out_;
  bool everything_;
};

}  // namespace

std::unique_ptr<Exporter> make_html(Destination& out, const ExportOptions& options) {
  return std::make_unique<HtmlExporter>(out, options);
}

}  // namespace netpoll::exporters
