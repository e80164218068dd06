// Cuts and pads text by what a terminal makes of it.
#include "cli/top/text.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cwchar>

#include "exporters/text.h"

namespace netpoll::cli {
namespace {

struct Character {
  char32_t code = 0;
  std::size_t bytes = 1;
};

// Of well-formed UTF-8, which printable() makes of anything.
Character first_of(std::string_view text) {
  const auto lead = static_cast<unsigned char>(text[0]);
  const std::size_t bytes = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  if (bytes == 1 || text.size() < bytes) return {lead, 1};
  char32_t code = lead & (0xffU >> (bytes + 1));
  for (std::size_t i = 1; i < bytes; ++i) code = (code << 6U) | (static_cast<unsigned char>(text[i]) & 0x3fU);
  return {code, bytes};
}

// Marks that change in which direction what follows is written: a row could pretend to be another (UAX #9).
bool turns_direction(char32_t code) {
  return code == 0x61c || code == 0x200e || code == 0x200f || (code >= 0x202a && code <= 0x202e) ||
         (code >= 0x2066 && code <= 0x2069);
}

std::size_t width_of(char32_t code) {
  if (code < 0x7f) return 1;
  const int width = ::wcwidth(static_cast<wchar_t>(code));
  return width < 0 ? 1 : static_cast<std::size_t>(width);
}

// The longest beginning of text that takes at most width columns, in bytes; its columns come back in used.
std::size_t bytes_within(std::string_view text, std::size_t width, std::size_t& used) {
  used = 0;
  std::size_t at = 0;
  while (at < text.size()) {
    const Character c = first_of(text.substr(at));
    const std::size_t more = width_of(c.code);
    if (used + more > width) break;
    used += more;
    at += c.bytes;
  }
  return at;
}

}  // namespace

std::string drawable(std::string_view text, TextRules rules) {
  const std::string printable = exporters::printable(text);
  std::string out;
  out.reserve(printable.size());
  for (std::size_t at = 0; at < printable.size();) {
    const Character c = first_of(std::string_view(printable).substr(at));
    const bool shown =
        c.code < 0x80 || (rules.utf8 && !turns_direction(c.code) && ::wcwidth(static_cast<wchar_t>(c.code)) >= 0);
    if (shown) {
      out.append(printable, at, c.bytes);
    } else {
      out += '?';
    }
    at += c.bytes;
  }
  return out;
}

std::size_t columns_of(std::string_view text, TextRules /*rules*/) {
  std::size_t columns = 0;
  for (std::size_t at = 0; at < text.size();) {
    const Character c = first_of(text.substr(at));
    columns += width_of(c.code);
    at += c.bytes;
  }
  return columns;
}

std::string cell(std::string_view text, std::size_t width, Align align, bool cut_start, TextRules rules) {
  std::string out;
  std::size_t used = columns_of(text, rules);
  if (used <= width) {
    out = text;
  } else if (width <= 2) {
    out = std::string(text.substr(0, bytes_within(text, width, used)));
  } else if (cut_start) {
    // The first character from which on the rest fits.
    std::size_t at = 0;
    while (used > width - 2) {
      const Character c = first_of(text.substr(at));
      used -= width_of(c.code);
      at += c.bytes;
    }
    out = ".." + std::string(text.substr(at));
    used += 2;
  } else {
    out = std::string(text.substr(0, bytes_within(text, width - 2, used))) + "..";
    used += 2;
  }
  const std::string blanks(width - std::min(used, width), ' ');
  return align == Align::kLeft ? out + blanks : blanks + out;
}

std::string sparkline(const std::vector<float>& points, std::size_t width, TextRules rules) {
  static constexpr std::array<const char*, 8> kBlocks = {"\u2581", "\u2582", "\u2583", "\u2584",
                                                         "\u2585", "\u2586", "\u2587", "\u2588"};
  static constexpr std::array<const char*, 8> kSigns = {"_", ".", "-", "=", "+", "o", "*", "#"};
  const auto& levels = rules.utf8 ? kBlocks : kSigns;
  const std::size_t shown = std::min(points.size(), width);
  float highest = 0;
  for (std::size_t i = points.size() - shown; i < points.size(); ++i) {
    if (!std::isnan(points[i])) highest = std::max(highest, points[i]);
  }
  std::string out(width - shown, ' ');
  for (std::size_t i = points.size() - shown; i < points.size(); ++i) {
    if (std::isnan(points[i])) {
      out += ' ';
      continue;
    }
    const double share = highest > 0 ? static_cast<double>(points[i]) / static_cast<double>(highest) : 0;
    const auto level = static_cast<std::size_t>(std::clamp(share * 7 + 0.5, 0.0, 7.0));
    out += levels.at(level);
  }
  return out;
}

std::string short_count(std::uint64_t value) {
  if (value < 1'000'000) return exporters::grouped(value);
  static constexpr std::array<const char*, 5> kUnits = {"M", "G", "T", "P", "E"};
  double scaled = static_cast<double>(value) / 1e6;
  std::size_t unit = 0;
  while (scaled >= 999.5 && unit + 1 < kUnits.size()) {
    scaled /= 1000;
    ++unit;
  }
  return exporters::fixed(scaled, scaled < 9.995 ? 2 : scaled < 99.95 ? 1 : 0) + kUnits.at(unit);
}

}  // namespace netpoll::cli
