// TimelineExporter: what all formats that draw a timeline have in common. A Writer makes their bytes.
#pragma once

#include <string>

#include "exporters/events/timeline.h"
#include "exporters/exporter.h"

namespace netpoll::exporters {

// Writer: a TimelineSink that also has bytes(), which it appends to, begin(meta), lost() after each loss, and
// end(totals).
template <typename Writer>
class TimelineExporter : public Exporter {
 public:
  TimelineExporter(Destination& out, const ExportOptions& options) : out_(out), timeline_(writer_, options.tracks) {}

  Result<void> begin(const Json& meta) override {
    writer_.begin(meta);
    timeline_.begin(meta);
    return {};
  }

  Result<void> event(const trace::Record& record) override {
    timeline_.event(record);
    return writer_.bytes().size() < kPiece ? Result<void>() : flush();
  }

  Result<void> lost(const trace::Loss& loss) override {
    timeline_.lost(loss);
    writer_.lost();
    return {};
  }

  Result<void> flush() override {
    if (writer_.bytes().empty()) return {};
    auto written = out_.write(writer_.bytes());
    writer_.bytes().clear();
    return written;
  }

  Result<void> end(const Json& totals) override {
    timeline_.end(totals);
    writer_.end(totals);
    return flush();
  }

 protected:
  Writer& writer() { return writer_; }

 private:
  static constexpr std::size_t kPiece = 1 << 20;

  Destination& out_;
  Writer writer_;
  Timeline timeline_;
};

}  // namespace netpoll::exporters
