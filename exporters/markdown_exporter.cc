// The format markdown: tables as GitHub and GitLab show them in a comment.
#include "exporters/comparison.h"
#include "exporters/figure_rows.h"
#include "exporters/formats.h"
#include "exporters/json.h"
#include "exporters/pages/member.h"
#include "exporters/text.h"

namespace netpoll::exporters {
namespace {

// Text of others must not become markup: a bar would end the cell, a bracket begin a link, "<" a tag.
std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : printable(text)) {
    if (c == '<') {
      out += "&lt;";
    } else if (c == '&') {
      out += "&amp;";
    } else {
      if (std::string_view("\\|`*_[]#~@!").find(c) != std::string_view::npos) out += '\\';
      out += c;
    }
  }
  return out;
}

std::string line(const std::vector<std::string>& cells) {
  std::string out = "|";
  for (const std::string& cell : cells) out += " " + escaped(cell) + " |";
  return out + "\n";
}

std::string heading(const std::vector<std::string>& names) {
  std::string rule = "|";
  for (std::size_t i = 0; i < names.size(); ++i) rule += i == 0 ? " --- |" : " ---: |";
  return line(names) + rule + "\n";
}

std::string of_comparison(const Json& document, bool everything) {
  const std::string verdict = word(at(document, {"verdict"}));
  std::string out = "### netpoll-trace compare: " + verdict + "\n\n" + escaped(sides_text(document, "base")) + "  \n" +
                    escaped(sides_text(document, "head")) + "\n\n";
  if (!at(document, {"conditions"}).empty()) {
    out += heading({"limit", "base", "head", "verdict"});
    for (const Json& check : at(document, {"conditions"})) {
      const std::string path = at(check, {"path"});
      out += line({at(check, {"condition"}), figure_text(path, at(check, {"base"})),
                   figure_text(path, at(check, {"head"})), at(check, {"verdict"})});
    }
    out += "\n";
  }
  out += escaped(summary_text(document)) + "\n";
  const auto shown = shown_changes(document, everything);
  if (shown.empty()) return out;
  out += "\n" + heading({"figure", "base", "head", "change", "verdict"});
  for (const Json* change : shown) {
    out += line({change->at("path").get<std::string>(), side_text(*change, "base"), side_text(*change, "head"),
                 change_text(*change), change->at("verdict").get<std::string>()});
  }
  return out;
}

std::string of_result(const Json& document, bool everything) {
  const FigureRows figures = figure_rows(document);
  std::string out = "### " + escaped(document.value("schema", "")) + "\n\n" + heading(figures.header);
  for (const auto& row : figures.rows) {
    if (everything || row[1] != "0") out += line(row);
  }
  return out;
}

class MarkdownExporter : public Exporter {
 public:
  MarkdownExporter(Destination& out, const ExportOptions& options) : out_(out), everything_(options.everything) {}

  Result<void> result(const Json& document) override {
    return out_.write(document.contains("changes") ? of_comparison(document, everything_)
                                                   : of_result(document, everything_));
  }

 private:
  Destination& out_;
  bool everything_;
};

}  // namespace

std::unique_ptr<Exporter> make_markdown(Destination& out, const ExportOptions& options) {
  return std::make_unique<MarkdownExporter>(out, options);
}

}  // namespace netpoll::exporters
