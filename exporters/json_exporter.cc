// The format json: the document as it is.
#include "exporters/formats.h"
#include "exporters/goroutines/document.h"
#include "exporters/long_document.h"

namespace netpoll::exporters {
namespace {

class JsonExporter : public Exporter, public LongDocumentSink {
 public:
  explicit JsonExporter(Destination& out) : out_(out) {}

  Result<void> result(const Json& document) override { return out_.write(to_document(document)); }
  Result<void> long_result(const LongDocument& document) override {
    return write_document(out_, document, Layout::kDocument);
  }
  Result<void> snapshot(const SnapshotDocument& document) override { return write_snapshot(out_, document); }

 private:
  Destination& out_;
};

}  // namespace

std::unique_ptr<Exporter> make_json(Destination& out, const ExportOptions&) {
  return std::make_unique<JsonExporter>(out);
}

}  // namespace netpoll::exporters
