// The format folded: a line for each distinct stack, outermost function first, and how many goroutines have it; flame
// graph tools read it. First comes the program, last the state in brackets.
#include <algorithm>
#include <map>
#include <string>

#include "exporters/formats.h"
#include "exporters/goroutines/names.h"
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

 private:
  Destination& out_;
  bool everything_;
};

}  // namespace

std::unique_ptr<Exporter> make_folded(Destination& out, const ExportOptions& options) {
  return std::make_unique<FoldedExporter>(out, options);
}

}  // namespace netpoll::exporters
