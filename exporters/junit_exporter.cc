// The format junit: XML that CI systems show as tests. A case for each limit and each figure; inconclusive and unknown
// ones are skipped, and what is about timing alone passes, since nothing it says is a defect.
#include "exporters/comparison.h"
#include "exporters/formats.h"
#include "exporters/json.h"
#include "exporters/pages/member.h"
#include "exporters/text.h"

namespace netpoll::exporters {
namespace {

// XML 1.0 has no control characters at all; printable() makes escapes of them.
std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : printable(text)) {
    if (c == '&') {
      out += "&amp;";
    } else if (c == '<') {
      out += "&lt;";
    } else if (c == '>') {
      out += "&gt;";
    } else if (c == '"') {
      out += "&quot;";
    } else {
      out += c;
    }
  }
  return out;
}

std::string attribute(const char* name, const std::string& value) {
  return std::string(" ") + name + "=\"" + escaped(value) + "\"";
}

struct Suite {
  std::string name;
  std::string when;
  std::string cases;  // XML
  int tests = 0;
  int failures = 0;
  int skipped = 0;
};

std::string totals(const Suite& suite) {
  return attribute("tests", std::to_string(suite.tests)) + attribute("failures", std::to_string(suite.failures)) +
         attribute("errors", "0") + attribute("skipped", std::to_string(suite.skipped)) + attribute("time", "0");
}

class Report {
 public:
  static Suite suite(const char* name, const std::string& timestamp) {
    Suite suite;
    suite.name = name;
    // "2026-03-01T12:00:00.250Z": the schema of JUnit has neither zone nor fraction.
    if (timestamp.size() >= 19) suite.when = timestamp.substr(0, 19);
    return suite;
  }

  // outcome: "failure", "skipped" or nothing.
  static void test(Suite& suite, const std::string& name, const char* outcome, const std::string& message,
                   const char* type) {
    ++suite.tests;
    suite.cases += "    <testcase" + attribute("classname", "netpoll-trace.compare") + attribute("name", name) +
                   attribute("time", "0");
    if (outcome == nullptr) {
      suite.cases += "/>\n";
      return;
    }
    (std::string_view(outcome) == "failure" ? suite.failures : suite.skipped) += 1;
    suite.cases += std::string(">\n      <") + outcome + attribute("message", message) + attribute("type", type) +
                   "/>\n    </testcase>\n";
  }

  void finish(const Suite& suite) {
    suites_ += "  <testsuite" + attribute("name", suite.name);
    if (!suite.when.empty()) suites_ += attribute("timestamp", suite.when);
    suites_ += totals(suite) + ">\n" + suite.cases + "  </testsuite>\n";
    total_.tests += suite.tests;
    total_.failures += suite.failures;
    total_.skipped += suite.skipped;
  }

  std::string text() const {
    return "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites" + totals(total_) + ">\n" + suites_ +
           "</testsuites>\n";
  }

 private:
  std::string suites_;
  Suite total_;
};

void add_limits(Report& report, const Json& document, const std::string& when) {
  Suite suite = Report::suite("limits", when);
  if (const std::string unchanged = unchanged_text(document); !unchanged.empty()) {
    Report::test(suite, unchanged, nullptr, "", "");
  }
  for (const Json& check : at(document, {"conditions"})) {
    const std::string verdict = at(check, {"verdict"});
    const std::string path = at(check, {"path"});
    const std::string message =
        figure_text(path, at(check, {"base"})) + " -> " + figure_text(path, at(check, {"head"}));
    const char* outcome = verdict == "regression" ? "failure" : verdict == "inconclusive" ? "skipped" : nullptr;
    Report::test(suite, word(at(check, {"condition"})), outcome, message,
                 verdict == "regression" ? "regression" : "noise");
  }
  report.finish(suite);
}

void add_figures(Report& report, const Json& document, const std::string& when) {
  Suite suite = Report::suite("figures", when);
  for (const Json& change : at(document, {"changes"})) {
    const std::string verdict = at(change, {"verdict"});
    const bool program = at(change, {"belongs_to"}) == "program";
    const bool skipped = verdict == "unknown" || (program && verdict == "inconclusive");
    const char* outcome = verdict == "regression" ? "failure" : skipped ? "skipped" : nullptr;
    Report::test(suite, word(at(change, {"path"})), outcome,
                 side_text(change, "base") + " -> " + side_text(change, "head") + ", " + change_text(change),
                 verdict == "regression" ? "regression"
                 : verdict == "unknown"  ? "unknown"
                                         : "inconclusive");
  }
  report.finish(suite);
}

class JunitExporter : public Exporter {
 public:
  explicit JunitExporter(Destination& out) : out_(out) {}

  Result<void> result(const Json& document) override {
    Report report;
    const std::string when = document.value("started_at", "");
    if (!at(document, {"conditions"}).empty()) add_limits(report, document, when);
    add_figures(report, document, when);
    return out_.write(report.text());
  }

 private:
  Destination& out_;
};

}  // namespace

std::unique_ptr<Exporter> make_junit(Destination& out, const ExportOptions&) {
  return std::make_unique<JunitExporter>(out);
}

}  // namespace netpoll::exporters
