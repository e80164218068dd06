// The format debug2: the text of Go's /debug/pprof/goroutine?debug=2 and of its SIGQUIT dumps (Go 1.27,
// runtime/traceback.go), for every tool that reads those.
#include <algorithm>
#include <string>
#include <vector>

#include "exporters/formats.h"
#include "exporters/goroutines/names.h"
#include "exporters/text.h"

namespace netpoll::exporters {
namespace {

using trace::Frame;
using trace::Goroutine;

std::string place_line(const Frame& frame) {
  std::string line = "\t" + (frame.file.empty() ? "??:0" : printable(frame.file) + ":" + std::to_string(frame.line));
  // Of what is inlined Go prints no offset.
  const bool offset = !frame.inlined && frame.entry_pc != 0 && frame.pc >= frame.entry_pc;
  if (offset) line += " +" + hex(frame.pc - frame.entry_pc);
  return line + "\n";
}

std::string heading(const Goroutine& g) {
  std::string line = "goroutine " + std::to_string(g.goid) + " [" + printable(state_of(g));
  constexpr std::int64_t kMinute = 60'000'000'000;
  if (const auto wait = known_wait_ns(g); wait && *wait >= kMinute) {
    line += ", " + std::to_string(*wait / kMinute) + " minutes";
  }
  if (g.locked_to_thread) line += ", locked to thread";
  return line + "]:\n";
}

class Debug2Exporter : public Exporter {
 public:
  Debug2Exporter(Destination& out, const ExportOptions& options) : out_(out), everything_(options.everything) {}

  Result<void> snapshot(const SnapshotDocument& document) override {
    std::vector<const Goroutine*> order;
    for (const std::uint32_t index : document.shown) order.push_back(&document.snapshot.goroutines.at(index));
    std::stable_partition(order.begin(), order.end(), [](const Goroutine* g) { return g->status == "running"; });
    std::string text;
    for (const Goroutine* g : order) {
      text += (text.empty() ? "" : "\n") + block(document.snapshot, *g);
    }
    return out_.write(text);
  }

 private:
  std::string block(const trace::GoroutineSnapshot& snapshot, const Goroutine& g) const {
    std::string text = heading(g);
    const auto frames = shown_frames(snapshot, g, everything_);
    if (frames.empty()) text += "\tgoroutine running on other thread; stack unavailable\n";
    // Arguments are unknown, which Go prints as dots.
    for (const Frame* frame : frames) text += printable(frame_name(*frame)) + "(...)\n" + place_line(*frame);
    if (const Frame* creator = frame_at(snapshot, g.created_by)) {
      text += "created by " + printable(frame_name(*creator));
      if (g.parent_goid) text += " in goroutine " + std::to_string(*g.parent_goid);
      text += "\n" + place_line(*creator);
    }
    return text;
  }

  Destination& out_;
  bool everything_;
};

}  // namespace

std::unique_ptr<Exporter> make_debug2(Destination& out, const ExportOptions& options) {
  return std::make_unique<Debug2Exporter>(out, options);
}

}  // namespace netpoll::exporters
