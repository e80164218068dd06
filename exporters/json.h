// JSON documents: building blocks and the one way they become bytes.
#pragma once

#include <chrono>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace netpoll::exporters {

// Fields keep the order in which a document names them, so that equal results are equal bytes.
using Json = nlohmann::ordered_json;

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

// Ids and addresses wider than 53 bits are strings: "0x55d0c0de0000".
std::string hex(std::uint64_t value);

// RFC 3339, UTC, milliseconds: "2026-03-01T12:00:00.250Z".
std::string timestamp(std::chrono::system_clock::time_point when);

// Bytes that are not UTF-8 become U+FFFD; neither function fails.
std::string to_document(const Json& json);  // indented, what is short on one line: for people and diffs
std::string to_line(const Json& json);      // one line with its newline: for NDJSON

}  // namespace netpoll::exporters
