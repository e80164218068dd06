// JSON documents, for whoever builds or reads them: the library, and values that may be unknown.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "exporters/json_fwd.h"   // IWYU pragma: export
#include "exporters/json_text.h"  // IWYU pragma: export

namespace netpoll::exporters {

// Returns value, or JSON null for an unknown one. Never 0 for unknown.
template <typename T>
Json or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}

// Returns text, or JSON null for an empty one, where that means unknown.
inline Json text_or_null(std::string_view text) { return text.empty() ? Json(nullptr) : Json(std::string(text)); }

// Returns part / whole, or null when whole is unknown or 0. Rounded to 6 decimals: a ratio of two counts does not
// become more exact by more digits, and shorter numbers are compared by eye.
Json ratio(std::uint64_t part, std::optional<std::uint64_t> whole);

}  // namespace netpoll::exporters
