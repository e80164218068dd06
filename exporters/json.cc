// Lays JSON out for people, makes foreign bytes valid, and reads JSON.
#include "exporters/json.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>

namespace netpoll::exporters {

std::string compact(const Json& json) {
  return json.dump(-1, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace);
}

Json parse_json(std::string_view text) { return Json::parse(text, nullptr, /*allow_exceptions=*/false); }

namespace {

constexpr std::size_t kWidth = 116;

void append_integer(std::string& out, auto value) {
  std::array<char, 24> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
  out.append(digits.data(), end);
}

// Appends the value on one line, as the library prints it. The library sets up a printer per call, which is most of the
// time of a snapshot with 100,000 goroutines of twenty members each; so the common kinds are printed here.
void append_compact(std::string& out, const Json& json) {
  switch (json.type()) {
    case Json::value_t::null:
      out += "null";
      return;
    case Json::value_t::boolean:
      out += json.get_ref<const bool&>() ? "true" : "false";
      return;
    case Json::value_t::string:
      append_string(out, json.get_ref<const std::string&>());
      return;
    case Json::value_t::number_unsigned:
      append_integer(out, json.get_ref<const std::uint64_t&>());
      return;
    case Json::value_t::number_integer:
      append_integer(out, json.get_ref<const std::int64_t&>());
      return;
    default:
      out += compact(json);
  }
}

// Whether all children are scalars or empty, so that the value may read well on one line.
bool is_flat(const Json& json) {
  return std::none_of(json.begin(), json.end(),
                      [](const Json& child) { return child.is_structured() && !child.empty(); });
}

void for_each_child(const Json& json, auto visit) {
  if (json.is_object()) {
    for (const auto& [key, value] : json.get_ref<const Json::object_t&>()) visit(&key, value);
  } else {
    for (const Json& value : json) visit(static_cast<const std::string*>(nullptr), value);
  }
}

// Appends a value that begins at a column. One line where it is flat and short; else one member a line, `indent` blanks
// further in.
void append_pretty(std::string& out, const Json& json, std::size_t indent, std::size_t column) {
  if (!json.is_structured() || json.empty()) return append_compact(out, json);
  const bool object = json.is_object();
  const auto append_key = [&](const std::string* key) {
    if (key == nullptr) return;
    append_string(out, *key);
    out += ": ";
  };
  const std::size_t begin = out.size();
  if (column < kWidth && is_flat(json)) {
    out += object ? '{' : '[';
    for_each_child(json, [&](const std::string* key, const Json& value) {
      if (out.size() - begin > kWidth) return;  // too long already
      if (out.size() != begin + 1) out += ", ";
      append_key(key);
      append_compact(out, value);
    });
    out += object ? '}' : ']';
    if (column + (out.size() - begin) <= kWidth) return;
    out.resize(begin);
  }
  out += object ? '{' : '[';
  bool first = true;
  for_each_child(json, [&](const std::string* key, const Json& value) {
    out += first ? "\n" : ",\n";
    first = false;
    out.append(indent + 2, ' ');
    const std::size_t name_begin = out.size();
    append_key(key);
    append_pretty(out, value, indent + 2, indent + 2 + (out.size() - name_begin));
  });
  out.append(1, '\n').append(indent, ' ');
  out += object ? '}' : ']';
}

}  // namespace

// Most texts need no escapes and are taken as they are; the rest is the library's business.
void append_string(std::string& out, std::string_view text) {
  const bool plain =
      std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c < 0x7f && c != '"' && c != '\\'; });
  if (plain) {
    out.append(1, '"').append(text).append(1, '"');
  } else {
    out += compact(Json(std::string(text)));
  }
}

void append_json(std::string& out, const Json& json, Layout layout, std::size_t indent, std::size_t column) {
  if (layout == Layout::kDocument) return append_pretty(out, json, indent, column);
  append_compact(out, json);
}

ObjectText::ObjectText(std::string& out, Layout layout, std::size_t indent)
    : out_(out), layout_(layout), indent_(indent + 2) {
  out_ += '{';
}

std::size_t ObjectText::key(std::string_view name) {
  if (!first_) out_ += ',';
  first_ = false;
  if (layout_ == Layout::kDocument) out_.append(1, '\n').append(indent_, ' ');
  const std::size_t begin = out_.size();
  append_string(out_, name);
  out_ += layout_ == Layout::kDocument ? ": " : ":";
  return indent_ + (out_.size() - begin);
}

void ObjectText::add(std::string_view name, std::nullptr_t) {
  key(name);
  out_ += "null";
}

void ObjectText::add(std::string_view name, bool value) {
  key(name);
  out_ += value ? "true" : "false";
}

void ObjectText::add(std::string_view name, std::string_view value) {
  key(name);
  append_string(out_, value);
}

void ObjectText::add_integer(std::string_view name, std::int64_t value) {
  key(name);
  append_integer(out_, value);
}

void ObjectText::add_integer(std::string_view name, std::uint64_t value) {
  key(name);
  append_integer(out_, value);
}

void ObjectText::add_json(std::string_view name, const Json& value) {
  const std::size_t column = key(name);
  append_json(out_, value, layout_, indent_, column);
}

void ObjectText::end() {
  if (layout_ == Layout::kDocument) out_.append(1, '\n').append(indent_ - 2, ' ');
  out_ += '}';
}

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

std::string timestamp(std::chrono::system_clock::time_point when) {
  const auto since = std::chrono::floor<std::chrono::milliseconds>(when.time_since_epoch());
  const auto day = std::chrono::floor<std::chrono::days>(since);
  const std::chrono::year_month_day date{std::chrono::sys_days(day)};
  const std::chrono::hh_mm_ss time(since - day);
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%04d-%02u-%02uT%02d:%02d:%02d.%03dZ", static_cast<int>(date.year()),
                static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                static_cast<int>(time.hours().count()), static_cast<int>(time.minutes().count()),
                static_cast<int>(time.seconds().count()), static_cast<int>(time.subseconds().count()));
  return text.data();
}

std::string to_document(const Json& json) {
  // Whatever its length, a document is spread out: its members are what people look for.
  std::string out;
  append_pretty(out, json, 0, kWidth);
  return out += '\n';
}

std::string to_line(const Json& json) { return compact(json) + "\n"; }

}  // namespace netpoll::exporters
