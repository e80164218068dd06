// Text on a screen of fixed columns: widths of characters, cells, small pictures of a history.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace netpoll::cli {

// What the terminal can show. Widths of characters are the C library's (wcwidth), so setlocale() must have been called
// with the locale of the terminal where utf8 is true.
struct TextRules {
  bool utf8 = false;
};

enum class Align : std::uint8_t { kLeft, kRight };

// Foreign text made safe to draw: control characters, marks that turn the writing direction and, without UTF-8, all
// that is not ASCII come out as escapes or "?".
std::string drawable(std::string_view text, TextRules rules);

// Columns that drawable() text takes: two for wide characters, none for combining ones.
std::size_t columns_of(std::string_view text, TextRules rules);

// Exactly width columns of drawable() text: blanks are added on the other side, and ".." stands for what is cut off its
// end, or its beginning where cut_start.
std::string cell(std::string_view text, std::size_t width, Align align, bool cut_start, TextRules rules);

// The newest points as columns of different height, right-aligned; the highest point fills its column. Blank: unknown.
std::string sparkline(const std::vector<float>& points, std::size_t width, TextRules rules);

// At most seven columns: "12,345", "1.2M".
std::string short_count(std::uint64_t value);

}  // namespace netpoll::cli
