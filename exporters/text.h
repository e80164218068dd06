// Text for people: numbers in their units, foreign strings made harmless, colour.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace netpoll::exporters {

// Returns ns with three significant digits and the unit that fits: "512 ns", "18.3 us", "1.20 s". ASCII only, because
// terminals and logs disagree about the micro sign.
std::string human_ns(std::uint64_t ns);

// Returns value with `decimals` decimals, independent of the locale: "2.00".
std::string fixed(double value, int decimals);

// Returns value in thousands groups as people write it: "1,234,567".
std::string grouped(std::uint64_t value);

// Returns text safe to print: control characters, escape sequences and invalid UTF-8 come out as \xNN or \n, so that a
// name chosen by somebody else cannot drive the terminal or break a line.
std::string printable(std::string_view text);

// "EAGAIN"; also names the codes by which the kernel restarts an interrupted call ("ERESTARTSYS").
std::string errno_name(int number);

// Columns that text takes on a terminal: code points, for printable text without combining marks.
std::size_t display_width(std::string_view text);

// How a piece of text is marked. Plain output ignores it.
enum class Style : std::uint8_t { kPlain, kBold, kDim, kGood, kBad, kWarn };
std::string styled(std::string_view text, Style style, bool color);

}  // namespace netpoll::exporters
