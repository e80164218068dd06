// The format folded: a line for each distinct stack, outermost function first, and how many goroutines have it; flame
// graph tools read it. First comes the program, last the state in brackets. Of a trace, whose events have no stacks,
// the nanoseconds that were waited for the network and for a CPU, by program, labels and peer.
#include <algorithm>
#include <map>
#include <string>

#include "exporters/events/wait_stacks.h"
#include "exporters/formats.h"
#include "exporters/goroutines/names.h"
#include "exporters/snapshot_document.h"
#include "exporters/text.h"

namespace netpoll::exporters {
namespace {

// A semicolon separates frames, and what stands behind the last blank is the count.
std::string frame_text(std::string_view name) {
  std::string text = printable(name);
  std::replace(text.begin(), text.end(), ';', ':');
  return text;
}

class FoldedExporter : public Exporter {
 public:
  FoldedExporter(Destination& out, const ExportOptions& options) : out_(out), everything_(options.everything) {}

  Result<void> snapshot(const SnapshotDocument& document) override {
    const Json& target = document.head.contains("target") ? document.head.at("target") : Json();
    const std::string program = target.is_object() && target.contains("comm") && target.at("comm").is_string()
                                    ? target.at("comm").get<std::string>()
                                    : std::string("unknown");
    std::map<std::string, std::size_t> counts;
    for (const std::uint32_t index : document.shown) {
      const trace::Goroutine& g = document.snapshot.goroutines.at(index);
      std::string line = frame_text(program);
      const auto frames = shown_frames(document.snapshot, g, everything_);
      for (auto frame = frames.rbegin(); frame != frames.rend(); ++frame) line += ";" + frame_text(frame_name(**frame));
      line += ";[" + frame_text(state_of(g)) + "]";
      ++counts[line];
    }
    std::string text;
    for (const auto& [line, count] : counts) text += line + " " + std::to_string(count) + "\n";
    return out_.write(text);
  }

  Result<void> begin(const Json& meta) override {
    waits_.begin(meta);
    return {};
  }
  Result<void> event(const trace::Record& record) override {
    waits_.add(record);
    return {};
  }
  Result<void> lost(const trace::Loss& loss) override {
    lost_ += loss.count;
    return {};
  }
  Result<void> end(const Json& totals) override {
    std::string text;
    for (const auto& [stack, waits] : waits_.all()) {
      std::string line;
      for (const std::string& frame : stack) line += (line.empty() ? "" : ";") + frame_text(frame);
      if (waits.network_ns != 0) text += line + ";[park IO wait] " + std::to_string(waits.network_ns) + "\n";
      if (waits.cpu_ns != 0) text += line + ";[runnable] " + std::to_string(waits.cpu_ns) + "\n";
    }
    // The format has no other place to say it: a stack of its own, as broad as there were events.
    if (lost_ != 0) text += "[" + std::to_string(lost_) + " events lost] " + std::to_string(lost_) + "\n";
    if (totals.value("cut_short", false)) text += "[cut short: the trace has no end line] 1\n";
    return out_.write(text);
  }

 private:
  Destination& out_;
  bool everything_;
  WaitStacks waits_;
  std::uint64_t lost_ = 0;
};

}  // namespace

std::unique_ptr<Exporter> make_folded(Destination& out, const ExportOptions& options) {
  return std::make_unique<FoldedExporter>(out, options);
}

}  // namespace netpoll::exporters
