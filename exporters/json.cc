#include "exporters/json.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

namespace netpoll::exporters {
namespace {

std::string compact(const Json& json) {
  return json.dump(-1, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace);
}

// A value that reads better on one line: a scalar, or a short one that holds only scalars.
bool fits_a_line(const Json& json, const std::string& text, std::size_t column) {
  if (!json.is_structured()) return true;
  if (text.size() + column > 116) return false;
  return std::none_of(json.begin(), json.end(),
                      [](const Json& child) { return child.is_structured() && !child.empty(); });
}

void pretty(const Json& json, std::size_t indent, std::size_t column, std::string& out) {
  std::string text = compact(json);
  if (fits_a_line(json, text, column)) {
    out += text;
    return;
  }
  const std::string margin(indent + 2, ' ');
  out += json.is_array() ? "[" : "{";
  std::string separator = "\n";
  for (const auto& [key, value] : json.items()) {
    out += separator + margin;
    const std::size_t start = out.size();
    if (json.is_object()) out += compact(Json(key)) + ": ";
    pretty(value, indent + 2, margin.size() + out.size() - start, out);
    separator = ",\n";
  }
  out += "\n" + std::string(indent, ' ') + (json.is_array() ? "]" : "}");
}

}  // namespace

Json ratio(std::uint64_t part, std::optional<std::uint64_t> whole) {
  if (!whole || *whole == 0) return nullptr;
  const double quotient = static_cast<double>(part) / static_cast<double>(*whole);
  return std::round(quotient * 1e6) / 1e6;
}

std::string hex(std::uint64_t value) {
  std::array<char, 16> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value, 16).ptr;
  return "0x" + std::string(digits.data(), end);
}

std::string to_document(const Json& json) {
  std::string out;
  pretty(json, 0, 0, out);
  return out + "\n";
}

std::string to_line(const Json& json) { return compact(json) + "\n"; }

}  // namespace netpoll::exporters
