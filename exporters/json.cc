#include "exporters/json.h"

#include <array>
#include <charconv>
#include <cmath>

namespace netpoll::exporters {
namespace {

std::string dump(const Json& json, int indent) {
  return json.dump(indent, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace) + "\n";
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

std::string to_document(const Json& json) { return dump(json, 2); }

std::string to_line(const Json& json) { return dump(json, -1); }

}  // namespace netpoll::exporters
