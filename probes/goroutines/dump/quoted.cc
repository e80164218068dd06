// Takes quotes and escapes away.
#include "probes/goroutines/dump/quoted.h"

#include <charconv>
#include <cstdint>
#include <utility>

namespace netpoll::probes {
namespace {

// The number in so many hexadecimal digits at the start.
std::optional<std::uint32_t> hex_digits(std::string_view text, std::size_t count) {
  if (text.size() < count) return std::nullopt;
  std::uint32_t value = 0;
  const char* const end = text.data() + count;
  const auto [rest, error] = std::from_chars(text.data(), end, value, 16);
  return error == std::errc{} && rest == end ? std::optional(value) : std::nullopt;
}

std::string utf8_of(std::uint32_t rune) {
  const auto tail = [rune](unsigned shift) { return static_cast<char>(0x80U | (rune >> shift & 0x3fU)); };
  if (rune < 0x80) return {static_cast<char>(rune)};
  if (rune < 0x800) return {static_cast<char>(0xc0U | rune >> 6U), tail(0)};
  if (rune < 0x10000) return {static_cast<char>(0xe0U | rune >> 12U), tail(6), tail(0)};
  return {static_cast<char>(0xf0U | rune >> 18U), tail(12), tail(6), tail(0)};
}

bool is_surrogate(std::uint32_t rune) { return rune >= 0xd800 && rune < 0xe000; }

// What stands for the escape whose letter begins text, and how many bytes of text that were. Nothing: it is none.
std::optional<std::pair<std::string, std::size_t>> escaped(std::string_view text) {
  constexpr std::string_view kLetters = "\"\\/'abfnrtv";
  constexpr std::string_view kMeanings = "\"\\/'\a\b\f\n\r\t\v";
  const char letter = text.front();
  if (const auto at = kLetters.find(letter); at != std::string_view::npos) return {{std::string(1, kMeanings[at]), 1}};
  const std::size_t count = letter == 'x' ? 2 : letter == 'u' ? 4 : letter == 'U' ? 8 : 0;
  const auto value = count > 0 ? hex_digits(text.substr(1), count) : std::nullopt;
  if (!value) return std::nullopt;
  if (letter == 'x') return {{std::string(1, static_cast<char>(*value)), 3}};
  const std::string_view rest = text.substr(1 + count);
  // JSON has what lies beyond 16 bits as two.
  if (letter == 'u' && *value >= 0xd800 && *value < 0xdc00 && rest.starts_with("\\u")) {
    const auto low = hex_digits(rest.substr(2), 4);
    if (low && *low >= 0xdc00 && *low < 0xe000) {
      return {{utf8_of(0x10000 + ((*value - 0xd800) << 10U) + (*low - 0xdc00)), 11}};
    }
  }
  if (*value > 0x10ffff || is_surrogate(*value)) return std::nullopt;
  return {{utf8_of(*value), 1 + count}};
}

}  // namespace

std::optional<std::string> take_quoted(std::string_view& text) {
  if (text.empty() || text.front() != '"') return std::nullopt;
  std::string out;
  for (std::size_t i = 1; i < text.size(); ++i) {
    if (text[i] == '"') {
      text.remove_prefix(i + 1);
      return out;
    }
    const auto escape = text[i] == '\\' && i + 1 < text.size() ? escaped(text.substr(i + 1)) : std::nullopt;
    if (escape) {
      out += escape->first;
      i += escape->second;
    } else {
      out += text[i];
    }
  }
  return std::nullopt;
}

}  // namespace netpoll::probes
