// The format csv: a header and a line for each figure, as RFC 4180 has it.
#include "exporters/figure_rows.h"
#include "exporters/formats.h"

namespace netpoll::exporters {
namespace {

std::string field(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"') out += '"';
    out += c;
  }
  return out + '"';
}

std::string line(const std::vector<std::string>& fields) {
  std::string out;
  for (const std::string& text : fields) out += (out.empty() ? "" : ",") + field(text);
  return out + "\r\n";
}

class CsvExporter : public Exporter {
 public:
  explicit CsvExporter(Destination& out) : out_(out) {}

  Result<void> result(const Json& document) override {
    const FigureRows figures = figure_rows(document);
    std::string text = line(figures.header);
    for (const auto& row : figures.rows) text += line(row);
    return out_.write(text);
  }

 private:
  Destination& out_;
};

}  // namespace

std::unique_ptr<Exporter> make_csv(Destination& out, const ExportOptions&) {
  return std::make_unique<CsvExporter>(out);
}

}  // namespace netpoll::exporters
