// The one way in which JSON documents become bytes, and bytes a document.
#pragma once

#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>

#include "exporters/json_fwd.h"

namespace netpoll::exporters {

// Ids and addresses wider than 53 bits are strings: "0x55d0c0de0000".
std::string hex(std::uint64_t value);

// RFC 3339, UTC, milliseconds: "2026-03-01T12:00:00.250Z".
std::string timestamp(std::chrono::system_clock::time_point when);

// Bytes that are not UTF-8 become U+FFFD; neither function fails.
std::string to_document(const Json& json);  // indented, what is short on one line: for people and diffs
std::string to_line(const Json& json);      // one line with its newline: for NDJSON
std::string compact(const Json& json);      // as the library prints it: for numbers and short values in a text

// The value of a text, which is_discarded() where the text is not JSON. Here once, since a file that has the library's
// parser of its own takes three seconds more to compile.
Json parse_json(std::string_view text);

// Appends text as a JSON string, quotes included.
void append_string(std::string& out, std::string_view text);

// The two ways in which a document lies: as to_document() and as to_line() lay it out.
enum class Layout : std::uint8_t { kDocument, kLine };

// Appends an object member by member, so that a document of any length needs no Json of it. The bytes are those of
// to_document() or to_line(), for an object that is too long for one line. Holds out by reference.
class ObjectText {
 public:
  // indent: of the line that the object begins on, in blanks.
  ObjectText(std::string& out, Layout layout, std::size_t indent = 0);

  void add(std::string_view name, std::nullptr_t);
  void add(std::string_view name, bool value);
  void add(std::string_view name, std::string_view value);
  void add(std::string_view name, const char* value) { add(name, std::string_view(value)); }
  template <std::integral T>
  void add(std::string_view name, T value) {
    using Wide = std::conditional_t<std::is_signed_v<T>, std::int64_t, std::uint64_t>;
    add_integer(name, static_cast<Wide>(value));
  }
  // Null for nothing.
  template <typename T>
  void add(std::string_view name, const std::optional<T>& value) {
    return value ? add(name, *value) : add(name, nullptr);
  }
  void add_json(std::string_view name, const Json& value);

  // The name of the next member alone: the caller appends its value. Returns the column that the value begins at.
  std::size_t key(std::string_view name);
  void end();

 private:
  void add_integer(std::string_view name, std::int64_t value);
  void add_integer(std::string_view name, std::uint64_t value);

  std::string& out_;
  Layout layout_;
  std::size_t indent_;  // of a member
  bool first_ = true;
};

// Appends a value in a layout; where it is spread out, it begins at a column of a line with that indent.
void append_json(std::string& out, const Json& json, Layout layout, std::size_t indent, std::size_t column);

}  // namespace netpoll::exporters
