// The page of claims: for each what the article says, what Go does, what was done here and measured, and the verdict.
#include <algorithm>
#include <utility>

#include "exporters/json.h"
#include "exporters/pages/member.h"
#include "exporters/pages/pages.h"
#include "exporters/table.h"

namespace netpoll::exporters {
namespace {

constexpr std::size_t kIndent = 12;

struct Verdict {
  const char* text;
  Style style;
};

Verdict verdict_of(const Json& claim) {
  const std::string verdict = word(at(claim, {"verdict"}));
  if (verdict == "holds") return {"holds", Style::kGood};
  return verdict == "does_not_hold" ? Verdict{"does not hold", Style::kBad} : Verdict{"cannot say here", Style::kWarn};
}

// Breaks text at blanks, so that no line is longer than width.
std::string wrapped(const std::string& text, std::size_t width) {
  std::string out;
  std::size_t column = kIndent;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find(' ', begin), text.size());
    const std::string piece = text.substr(begin, end - begin);
    begin = end + 1;
    const std::size_t size = display_width(piece);
    if (column > kIndent && column + 1 + size > width) {
      out += "\n" + std::string(kIndent, ' ');
      column = kIndent;
    } else if (column > kIndent) {
      out += ' ';
      ++column;
    }
    out += piece;
    column += size;
  }
  return out;
}

void append_part(std::string& out, const std::string& name, const Json& text, const ExportOptions& options) {
  if (!text.is_string()) return;
  out += "  " + styled(name, Style::kDim, options.color) + std::string(kIndent - 2 - name.size(), ' ') +
         wrapped(word(text), options.width) + "\n";
}

std::string value_text(const Json& value) {
  if (value.is_boolean()) return value.get<bool>() ? "yes" : "no";
  if (value.is_null()) return "not known";
  if (value.is_string()) return word(value);
  if (value.is_number_float()) return fixed(value.get<double>(), 2);
  return is_count(value) ? count_text(value) : compact(value);
}

void append_figures(std::string& out, const Json& figures, const ExportOptions& options) {
  bool first = true;
  for (const Json& figure : figures) {
    const std::string name = std::exchange(first, false) ? "measured" : "";
    append_part(out, name, value_text(at(figure, {"value"})) + "  " + word(at(figure, {"meaning"})), options);
  }
}

void append_steps(std::string& out, const Json& claim, const ExportOptions& options) {
  for (const Json& step : at(claim, {"steps"})) {
    std::string line = "    " + ns_text(at(step, {"at_ns"}));
    line.resize(std::max(line.size() + 1, std::size_t{15}), ' ');
    out += styled(line, Style::kDim, options.color) + word(at(step, {"text"})) + "\n";
  }
  if (at(claim, {"steps_left_out"}) != 0) out += "    and " + count_text(at(claim, {"steps_left_out"})) + " more\n";
}

}  // namespace

std::string claims_page(const Json& document, const ExportOptions& options) {
  std::string out;
  for (const Json& claim : at(document, {"claims"})) {
    const Verdict verdict = verdict_of(claim);
    out += styled(word(at(claim, {"name"})), Style::kBold, options.color) + ": " +
           styled(verdict.text, verdict.style, options.color) + "\n";
    append_part(out, "claim", at(claim, {"claim"}), options);
    append_part(out, "article", at(claim, {"article"}), options);
    append_part(out, "Go", at(claim, {"go"}), options);
    append_part(out, "done", at(claim, {"experiment"}), options);
    append_figures(out, at(claim, {"figures"}), options);
    append_part(out, "because", at(claim, {"reason"}), options);
    append_part(out, "limits", at(claim, {"limits"}), options);
    if (options.everything) append_steps(out, claim, options);
    out += "\n";
  }
  const auto part = [&](const char* count, const char* text) {
    return at(document, {count}) == 0 ? std::string() : ", " + count_text(at(document, {count})) + " " + text;
  };
  const bool one = at(document, {"does_not_hold"}) == 1;
  out += count_text(at(document, {"holds"})) + " hold" + (at(document, {"holds"}) == 1 ? "s" : "") +
         part("does_not_hold", one ? "does not hold" : "do not hold") + part("cannot_say", "cannot be judged here");
  out += "; watched by " + word(at(document, {"probe", "backend"}));
  return out + (at(document, {"interrupted"}) == true ? "; interrupted\n" : "\n");
}

}  // namespace netpoll::exporters
