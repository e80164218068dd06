// LineExporter: what formats have in common that write a line for each event of a stream.
#pragma once

#include <cstddef>
#include <string>

#include "exporters/exporter.h"

namespace netpoll::exporters {

// Lines gather in text_ and go out a piece at a time: a write for each of several hundred thousand a second would cost
// more than the events.
class LineExporter : public Exporter {
 public:
  Result<void> flush() override {
    if (text_.empty()) return {};
    auto written = out_.write(text_);
    text_.clear();
    return written;
  }

 protected:
  LineExporter(Destination& out, std::size_t piece) : out_(out), piece_(piece) {}

  // text_ ends with a whole line.
  Result<void> line_ended() { return text_.size() < piece_ ? Result<void>() : flush(); }

  Destination& out_;
  std::string text_;

 private:
  std::size_t piece_;
};

}  // namespace netpoll::exporters
