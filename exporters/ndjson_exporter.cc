// The format ndjson: a line for what is known of the whole, one for each goroutine, and one that says that it is whole.
#include <string>

#include "exporters/formats.h"
#include "exporters/goroutines/document.h"

namespace netpoll::exporters {
namespace {

class NdjsonExporter : public Exporter {
 public:
  explicit NdjsonExporter(Destination& out) : out_(out) {}

  Result<void> snapshot(const SnapshotDocument& document) override {
    Json meta = {{"type", "meta"}};
    meta.update(snapshot_head(document));
    std::string text = to_line(meta);
    for (const std::uint32_t index : document.shown) {
      Json line = {{"type", "goroutine"}};
      line.update(goroutine_json(document, document.snapshot.goroutines.at(index)));
      text += to_line(line);
      if (text.size() < kPiece) continue;
      if (auto written = out_.write(text); !written) return written;
      text.clear();
    }
    text += to_line({{"type", "end"},
                     {"goroutines", document.shown.size()},
                     {"total", document.snapshot.goroutines.size()},
                     {"inconsistent", document.snapshot.inconsistent}});
    return out_.write(text);
  }

 private:
  static constexpr std::size_t kPiece = 1 << 20;

  Destination& out_;
};

}  // namespace

std::unique_ptr<Exporter> make_ndjson(Destination& out, const ExportOptions&) {
  return std::make_unique<NdjsonExporter>(out);
}

}  // namespace netpoll::exporters
