// The format github: workflow commands that GitHub Actions shows beside the code. A step shows ten errors and ten
// warnings, so the worst come first, and a notice says how many there are.
#include <algorithm>
#include <cmath>

#include "exporters/comparison.h"
#include "exporters/formats.h"
#include "exporters/json.h"
#include "exporters/pages/member.h"
#include "exporters/text.h"

namespace netpoll::exporters {
namespace {

// As the toolkit of Actions escapes (packages/core/src/command.ts): "%" first.
std::string escaped(std::string_view text, bool property) {
  std::string out;
  for (const char c : text) {
    if (c == '%') {
      out += "%25";
    } else if (c == '\r') {
      out += "%0D";
    } else if (c == '\n') {
      out += "%0A";
    } else if (property && c == ':') {
      out += "%3A";
    } else if (property && c == ',') {
      out += "%2C";
    } else {
      out += c;
    }
  }
  return out;
}

std::string annotation(const Json& check) {
  const bool failed = at(check, {"verdict"}) == "regression";
  const std::string path = at(check, {"path"});
  const std::string title = failed ? "regression: " + path : "inconclusive: " + path;
  std::string out = std::string("::") + (failed ? "error" : "warning") + " title=" + escaped(printable(title), true);
  const Json& source = at(check, {"source"});
  if (source.is_object()) {
    out += ",file=" + escaped(printable(at(source, {"file"}).get<std::string>()), true) +
           ",line=" + compact(at(source, {"line"})) + ",col=" + compact(at(source, {"column"}));
  }
  return out + "::" +
         escaped(word(at(check, {"condition"})) + " (" + figure_text(path, at(check, {"base"})) + " -> " +
                     figure_text(path, at(check, {"head"})) + ")",
                 false) +
         "\n";
}

// How far the head is from the base, relative to it.
double distance(const Json& check) {
  const auto base = at(check, {"base"}).get<double>();
  const auto head = at(check, {"head"}).get<double>();
  return base == 0 ? std::abs(head) * 1e9 : std::abs((head - base) / base);
}

class GithubExporter : public Exporter {
 public:
  explicit GithubExporter(Destination& out) : out_(out) {}

  Result<void> result(const Json& document) override {
    std::string text;
    for (const char* verdict : {"regression", "inconclusive"}) {
      std::vector<const Json*> found;
      for (const Json& check : at(document, {"conditions"})) {
        if (at(check, {"verdict"}) == verdict) found.push_back(&check);
      }
      std::stable_sort(found.begin(), found.end(),
                       [](const Json* a, const Json* b) { return distance(*a) > distance(*b); });
      for (const Json* check : found) text += annotation(*check);
    }
    const std::string verdict = word(at(document, {"verdict"}));
    text += "::notice title=" + escaped("netpoll-trace compare: " + verdict, true) +
            "::" + escaped(summary_text(document), false) + "\n";
    return out_.write(text);
  }

 private:
  Destination& out_;
};

}  // namespace

std::unique_ptr<Exporter> make_github(Destination& out, const ExportOptions&) {
  return std::make_unique<GithubExporter>(out);
}

}  // namespace netpoll::exporters
