#include "exporters/json.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

namespace netpoll::exporters {
namespace {

constexpr std::size_t kWidth = 116;

std::string compact(const Json& json) {
  return json.dump(-1, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace);
}

// Whether all children are scalars or empty, so that the value may read well on one line.
bool is_flat(const Json& json) {
  return std::none_of(json.begin(), json.end(),
                      [](const Json& child) { return child.is_structured() && !child.empty(); });
}

// Prints a value at a column. One line where it is flat and short; else one member a line, `indent` blanks further in.
std::string pretty(const Json& json, std::size_t indent, std::size_t column) {
  if (!json.is_structured() || json.empty()) return compact(json);
  const bool object = json.is_object();
  const std::string open(1, object ? '{' : '[');
  const std::string close(1, object ? '}' : ']');
  if (is_flat(json)) {
    std::string line;
    for (const auto& [key, value] : json.items()) {
      line += (line.empty() ? "" : ", ") + (object ? compact(Json(key)) + ": " : "") + compact(value);
    }
    if (column + line.size() + 2 <= kWidth) return open + line + close;
  }
  const std::string margin = "\n" + std::string(indent + 2, ' ');
  std::string out;
  for (const auto& [key, value] : json.items()) {
    const std::string name = object ? compact(Json(key)) + ": " : "";
    out += (out.empty() ? "" : ",") + margin + name + pretty(value, indent + 2, indent + 2 + name.size());
  }
  return open + out + "\n" + std::string(indent, ' ') + close;
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
  // Whatever its length, a document is spread out: its members are what people look for.
  return pretty(json, 0, kWidth) + "\n";
}

std::string to_line(const Json& json) { return compact(json) + "\n"; }

}  // namespace netpoll::exporters
