// Takes lines apart with string_view: none is longer than the text, and each is looked at once from either end.
#include "probes/goroutines/dump/dump_line.h"

#include <algorithm>
#include <charconv>
#include <limits>

#include "probes/goroutines/dump/quoted.h"

namespace netpoll::probes {
namespace {

bool is_blank(char c) { return c == ' ' || c == '\t'; }

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

std::optional<std::uint64_t> take_number(std::string_view& text, int base) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc{}) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return value;
}

std::optional<std::uint64_t> take_hex(std::string_view& text) {
  return take_prefix(text, "0x") ? take_number(text, 16) : std::nullopt;
}

std::optional<std::uint64_t> whole_number(std::string_view text) {
  const auto value = take_number(text, 10);
  return text.empty() ? value : std::nullopt;
}

// Up to one of the ends, quoted or not.
std::string take_word(std::string_view& text, std::string_view ends) {
  text = text.substr(std::min(text.find_first_not_of(" \t"), text.size()));
  if (auto quoted = take_quoted(text)) return std::move(*quoted);
  std::string word(trimmed(text.substr(0, text.find_first_of(ends))));
  text.remove_prefix(std::min(text.find_first_of(ends), text.size()));
  return word;
}

// The parts between commas outside of quotes.
std::vector<std::string_view> parts_of(std::string_view text) {
  std::vector<std::string_view> parts;
  bool quoted = false;
  std::size_t begin = 0;
  for (std::size_t i = 0; i <= text.size(); ++i) {
    if (i < text.size() && quoted && text[i] == '\\') {
      ++i;
    } else if (i < text.size() && text[i] == '"') {
      quoted = !quoted;
    } else if (i == text.size() || (text[i] == ',' && !quoted)) {
      parts.push_back(trimmed(text.substr(begin, std::min(i, text.size()) - begin)));
      begin = i + 1;
    }
  }
  return parts;
}

// Where the bracket that begins the text closes, outside of quotes; npos: never.
std::size_t closing(std::string_view text, char open, char close) {
  int depth = 0;
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (quoted && text[i] == '\\') {
      ++i;
    } else if (text[i] == '"') {
      quoted = !quoted;
    } else if (!quoted && text[i] == open) {
      ++depth;
    } else if (!quoted && text[i] == close && --depth == 0) {
      return i;
    }
  }
  return std::string_view::npos;
}

// " (leaked)" behind a state is a remark, "chan receive (nil chan)" is a state.
void take_remarks(HeaderLine& header, std::string_view state) {
  for (bool found = true; found;) {
    found = false;
    for (const std::string_view remark : {"scan", "durable", "leaked"}) {
      const std::string behind = " (" + std::string(remark) + ")";
      if (!state.ends_with(behind)) continue;
      state.remove_suffix(behind.size());
      header.remarks.emplace_back(remark);
      found = true;
    }
  }
  header.state = state;
}

void take_part(HeaderLine& header, std::string_view part) {
  std::string_view rest = part;
  if (part == "locked to thread") {
    header.locked = true;
    return;
  }
  if (const auto number = take_number(rest, 10); number && (rest == " minutes" || rest == " minute")) {
    header.minutes = *number;
    return;
  }
  rest = part;
  if (auto key = take_quoted(rest); key && take_prefix(rest, ":")) {
    header.label_values.push_back(rest);
    header.labels.emplace_back(std::move(*key), take_word(rest, ""));
    return;
  }
  if (!part.empty()) header.remarks.emplace_back(part);
}

std::optional<int> take_line_number(std::string_view& text) {
  const auto number = take_number(text, 10);
  if (!number || *number > std::numeric_limits<int>::max()) return std::nullopt;
  return static_cast<int>(*number);
}

// "path:12" up to its end or a blank, from the right, since a path may hold blanks and colons.
struct FileAndLine {
  std::string_view file;
  int line = 0;
};
std::optional<FileAndLine> file_and_line(std::string_view text) {
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return std::nullopt;
  std::string_view digits = text.substr(colon + 1);
  const auto line = take_line_number(digits);
  if (!line || !digits.empty()) return std::nullopt;
  const std::string_view file = text.substr(0, colon);
  return FileAndLine{.file = file == "??" || file == "?" ? std::string_view() : file, .line = *line};
}

}  // namespace

bool take_prefix(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

std::optional<HeaderLine> parse_header_line(std::string_view line) {
  std::string_view rest = line;
  HeaderLine header;
  if (!take_prefix(rest, "goroutine ")) return std::nullopt;
  const auto goid = take_number(rest, 10);
  if (!goid) return std::nullopt;
  header.goid = *goid;
  // "gp=0xc000002380 m=0 mp=0x5b1c80", of GOTRACEBACK=system.
  const auto bracket = rest.find('[');
  if (bracket == std::string_view::npos || bracket == 0 || !is_blank(rest[bracket - 1])) return std::nullopt;
  std::string_view fields = trimmed(rest.substr(0, bracket));
  while (!fields.empty()) {
    const std::string_view field = fields.substr(0, fields.find(' '));
    if (field.find('=') == std::string_view::npos) return std::nullopt;
    fields = trimmed(fields.substr(field.size()));
  }
  rest.remove_prefix(bracket);
  const std::size_t end = closing(rest, '[', ']');
  if (end == std::string_view::npos || end < 2) return std::nullopt;
  header.bracket_end = static_cast<std::size_t>(rest.data() - line.data()) + end;
  const std::vector<std::string_view> parts = parts_of(rest.substr(1, end - 1));
  if (parts.front().empty()) return std::nullopt;
  take_remarks(header, parts.front());
  for (auto part = parts.begin() + 1; part != parts.end(); ++part) take_part(header, *part);
  rest = trimmed(rest.substr(end + 1));
  if (const auto brace = rest.find('{'); brace != std::string_view::npos) {
    std::size_t used = 0;
    auto labels = parse_labels(rest.substr(brace), used);
    if (!labels) return std::nullopt;
    header.label_braces = rest.substr(brace, used);
    header.labels.insert(header.labels.end(), labels->begin(), labels->end());
    rest = trimmed(rest.substr(brace + used));
  }
  if (rest != ":") return std::nullopt;
  return header;
}

std::optional<DumpLabels> parse_labels(std::string_view text, std::size_t& used) {
  const std::size_t end = closing(text, '{', '}');
  if (end == std::string_view::npos || text.empty() || text.front() != '{') return std::nullopt;
  used = end + 1;
  DumpLabels labels;
  std::string_view rest = trimmed(text.substr(1, end - 1));
  while (!rest.empty()) {
    std::string key = take_word(rest, ":,");
    rest = trimmed(rest);
    std::string value;
    if (take_prefix(rest, ":")) value = take_word(rest, ",");
    labels.emplace_back(std::move(key), std::move(value));
    // Whatever stands between a value and its comma belongs to a form that we do not know.
    rest.remove_prefix(std::min(rest.find(','), rest.size()));
    if (!rest.empty()) rest = trimmed(rest.substr(1));
  }
  return labels;
}

std::optional<CallLine> parse_call_line(std::string_view line) {
  while (!line.empty() && is_blank(line.back())) line.remove_suffix(1);
  if (line.empty() || is_blank(line.front()) || line.back() != ')') return std::nullopt;
  // The last group of parentheses: names have some of their own, "main.(*T).f".
  int depth = 0;
  for (std::size_t i = line.size(); i-- > 0;) {
    if (line[i] == ')') ++depth;
    if (line[i] != '(' || --depth > 0) continue;
    if (i == 0) return std::nullopt;
    return CallLine{.function = line.substr(0, i), .arguments = line.substr(i + 1, line.size() - i - 2)};
  }
  return std::nullopt;
}

std::optional<CreatorLine> parse_creator_line(std::string_view line) {
  line = trimmed(line);
  if (!take_prefix(line, "created by ")) return std::nullopt;
  constexpr std::string_view kIn = " in goroutine ";
  CreatorLine creator;
  if (const auto in = line.rfind(kIn); in != std::string_view::npos) {
    creator.goid = whole_number(line.substr(in + kIn.size()));
    if (creator.goid) line = line.substr(0, in);
  }
  if (line.empty()) return std::nullopt;
  creator.function = line;
  return creator;
}

std::optional<PlaceLine> parse_place_line(std::string_view line) {
  line = trimmed(line);
  PlaceLine place;
  // "+0x45 fp=0x.. sp=0x.. pc=0x..", from the right: a path may hold blanks.
  for (;;) {
    const auto blank = line.rfind(' ');
    if (blank == std::string_view::npos) break;
    std::string_view word = line.substr(blank + 1);
    if (take_prefix(word, "+")) {
      place.offset = take_hex(word);
      if (!place.offset || !word.empty()) return std::nullopt;
    } else if (take_prefix(word, "pc=")) {
      place.pc = take_hex(word).value_or(0);
    } else if (!word.starts_with("fp=") && !word.starts_with("sp=")) {
      break;
    }
    line = trimmed(line.substr(0, blank));
  }
  const auto at = file_and_line(line);
  if (!at) return std::nullopt;
  place.file = at->file;
  place.line = at->line;
  return place;
}

std::optional<CountLine> parse_count_line(std::string_view line) {
  CountLine counted;
  const auto count = take_number(line, 10);
  if (!count || !take_prefix(line, " @")) return std::nullopt;
  counted.count = *count;
  while (!trimmed(line).empty()) {
    line = trimmed(line);
    const auto pc = take_hex(line);
    if (!pc || (!line.empty() && !is_blank(line.front()))) return std::nullopt;
    counted.pcs.push_back(*pc);
  }
  if (counted.pcs.empty()) return std::nullopt;
  return counted;
}

std::optional<CountedFrameLine> parse_counted_frame_line(std::string_view line) {
  CountedFrameLine frame;
  if (!take_prefix(line, "#")) return std::nullopt;
  line = trimmed(line);
  const auto pc = take_hex(line);
  if (!pc || line.empty() || !is_blank(line.front())) return std::nullopt;
  frame.pc = *pc;
  line = trimmed(line);
  const auto at_file = line.find('\t');
  std::string_view name = trimmed(line.substr(0, at_file));
  if (const auto plus = name.rfind("+0x"); plus != std::string_view::npos) {
    std::string_view digits = name.substr(plus + 1);
    frame.offset = take_hex(digits);
    if (frame.offset && digits.empty()) name = name.substr(0, plus);
  }
  frame.function = name;
  if (at_file == std::string_view::npos) return frame;
  if (const auto at = file_and_line(trimmed(line.substr(at_file)))) {
    frame.file = at->file;
    frame.line = at->line;
  }
  return frame;
}

std::optional<std::uint64_t> parse_profile_line(std::string_view line) {
  if (!take_prefix(line, "goroutine profile: total ") && !take_prefix(line, "goroutineleak profile: total "))
    return std::nullopt;
  return whole_number(trimmed(line));
}

bool is_elided_line(std::string_view line) {
  line = trimmed(line);
  return line.starts_with("...") && line.ends_with("frames elided...");
}

bool is_no_stack_line(std::string_view line) { return trimmed(line).ends_with("; stack unavailable"); }

std::optional<std::uint64_t> parse_ancestor_line(std::string_view line) {
  line = trimmed(line);
  if (!take_prefix(line, "[originating from goroutine ")) return std::nullopt;
  return take_number(line, 10);
}

std::optional<std::uint64_t> argument(std::string_view arguments, std::size_t n) {
  // Structs and slices are in braces; only words outside of them are counted.
  for (; n > 0; --n) {
    const auto comma = arguments.find_first_of(",{");
    if (comma == std::string_view::npos || arguments[comma] == '{') return std::nullopt;
    arguments.remove_prefix(comma + 1);
  }
  arguments = trimmed(arguments.substr(0, arguments.find(',')));
  const auto value = take_hex(arguments);
  return arguments.empty() ? value : std::nullopt;
}

}  // namespace netpoll::probes
