// Reads result files: one document, an array, or one after the other.
#include "cli/compare/input.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <iterator>

#include "cli/system/input_file.h"
#include "exporters/json.h"
#include "libruntime/base/system.h"

namespace netpoll::cli {
namespace {

using exporters::Json;

// More than any honest result, less than what hurts: a result has some 20 kB.
constexpr std::size_t kLargestFile = 256U << 20U;

Error invalid(std::string message, std::string hint) {
  return Error(ErrorKind::kInvalid, std::move(message)).with_hint(std::move(hint));
}

std::string name_of(const std::string& path) { return path == "-" ? "standard input" : path; }

constexpr std::string_view kBlank = " \t\r\n";

// In one object, whose members are looked for one after the other.
constexpr std::size_t kMostMembers = 4096;

// Where the JSON value at the start of text ends: a bracketed one behind its closing bracket, else at a blank. Brackets
// inside strings do not count.
struct Extent {
  std::size_t length = std::string_view::npos;    // npos: the text ends before the value does
  std::size_t too_deep = std::string_view::npos;  // of the bracket that is one too many
};
Extent extent_of(std::string_view text) {
  if (text.front() != '{' && text.front() != '[') return {.length = std::min(text.find_first_of(kBlank), text.size())};
  std::size_t depth = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      if (++depth > kDeepest) return {.too_deep = i};
    } else if (c == '}' || c == ']') {
      if (--depth == 0) return {.length = i + 1};
    }
  }
  return {};
}

std::string line_of(std::string_view text, std::size_t at) {
  return std::to_string(1 + std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(at), '\n'));
}

// Puts a document together out of what the parser meets, and stops at what would be lost: a member that comes twice.
class Builder final : public nlohmann::json_sax<Json> {
 public:
  Json take() { return std::move(root_); }
  // Why it stopped; empty: what it met is no JSON at fault_at().
  const std::string& why() const { return why_; }
  std::size_t fault_at() const { return fault_at_; }

  bool null() override { return put(nullptr); }
  bool boolean(bool value) override { return put(value); }
  bool number_integer(number_integer_t value) override { return put(value); }
  bool number_unsigned(number_unsigned_t value) override { return put(value); }
  bool number_float(number_float_t value, const string_t& /*text*/) override { return put(value); }
  bool string(string_t& value) override { return put(std::move(value)); }
  bool binary(binary_t& /*value*/) override { return false; }

  bool start_object(std::size_t /*members*/) override { return open(Json::object()); }
  bool key(string_t& name) override {
    const auto [member, is_new] = open_.back()->get_ref<Json::object_t&>().emplace(name, nullptr);
    if (!is_new) return stop("\"" + name + "\" stands twice in one object");
    if (open_.back()->size() > kMostMembers) {
      return stop("an object has more than " + std::to_string(kMostMembers) + " members");
    }
    member_ = &member->second;
    return true;
  }
  bool end_object() override { return close(); }
  bool start_array(std::size_t /*elements*/) override { return open(Json::array()); }
  bool end_array() override { return close(); }

  bool parse_error(std::size_t position, const std::string& token, const nlohmann::detail::exception& error) override {
    fault_at_ = position > 0 ? position - 1 : 0;
    // Of the numbers that do not fit, the parser says "number overflow parsing '1e999'".
    if (std::string_view(error.what()).find("number overflow") != std::string_view::npos) {
      why_ = "the number " + token + " is too large";
    }
    return false;
  }

 private:
  bool stop(std::string why) {
    why_ = std::move(why);
    return false;
  }
  Json& place(Json value) {
    if (open_.empty()) return root_ = std::move(value);
    if (open_.back()->is_array()) {
      open_.back()->push_back(std::move(value));
      return open_.back()->back();
    }
    return *member_ = std::move(value);
  }
  bool put(Json value) {
    place(std::move(value));
    return true;
  }
  bool open(Json value) {
    open_.push_back(&place(std::move(value)));
    return true;
  }
  bool close() {
    open_.pop_back();
    return true;
  }

  Json root_;
  std::vector<Json*> open_;  // from the outermost on; what lies around the innermost does not move while that grows
  Json* member_ = nullptr;   // of the innermost object, that was named last
  std::string why_;
  std::size_t fault_at_ = 0;
};

}  // namespace

Error no_document(const std::string& name) { return invalid(name + " holds no document", std::string(kHowToWrite)); }

Error no_result(const std::string& name) {
  return invalid(name + " is JSON, but not a result of netpoll-trace", std::string(kHowToWrite));
}

Error no_sample(const std::string& name) { return invalid(name + " has a sample that is no object", "was it edited?"); }

Error stands_twice(const std::string& name, std::string_view member) {
  return invalid(name + ": \"" + std::string(member) + "\" stands twice in one object", std::string(kHowToWrite));
}

Result<std::vector<std::string_view>> values_of(std::string_view text, const std::string& name) {
  static constexpr std::string_view kBom = "\xef\xbb\xbf";
  const std::string how(kHowToWrite);
  std::vector<std::string_view> values;
  std::size_t at = text.starts_with(kBom) ? kBom.size() : 0;
  while ((at = text.find_first_not_of(kBlank, at)) != std::string_view::npos) {
    const Extent extent = extent_of(text.substr(at));
    if (extent.too_deep != std::string_view::npos) {
      return invalid(name + " is nested more than " + std::to_string(kDeepest) + " deep (line " +
                         line_of(text, at + extent.too_deep) + ")",
                     how);
    }
    if (extent.length == std::string_view::npos) {
      return invalid(name + " is cut short: the document that starts in line " + line_of(text, at) + " does not end",
                     "write it again; -o FILE never leaves half a file");
    }
    values.push_back(text.substr(at, extent.length));
    at += extent.length;
  }
  if (values.empty()) return no_document(name);
  return values;
}

Result<std::vector<Json>> documents_of(std::string_view text, std::string_view value, const std::string& name) {
  const auto at = static_cast<std::size_t>(value.data() - text.data());
  Builder builder;
  if (!Json::sax_parse(value, &builder)) {
    if (!builder.why().empty()) {
      return invalid(name + ": " + builder.why() + " (in the document of line " + line_of(text, at) + ")",
                     std::string(kHowToWrite));
    }
    return invalid(name + " is not JSON (line " + line_of(text, at + builder.fault_at()) + ")",
                   std::string(kHowToWrite));
  }
  std::vector<Json> documents;
  Json parsed = builder.take();
  if (parsed.is_array()) {
    for (Json& element : parsed) documents.push_back(std::move(element));
  } else {
    documents.push_back(std::move(parsed));
  }
  for (const Json& document : documents) {
    if (!document.is_object()) return no_result(name);
  }
  return documents;
}

Result<std::vector<Json>> parse_documents(std::string_view text, const std::string& name) {
  const auto values = values_of(text, name);
  if (!values) return values.error();
  std::vector<Json> documents;
  for (const std::string_view value : *values) {
    auto more = documents_of(text, value, name);
    if (!more) return more;
    std::move(more->begin(), more->end(), std::back_inserter(documents));
  }
  if (documents.empty()) return no_document(name);
  return documents;
}

Result<void> read_text(const std::string& path, const std::string& hint, std::string& text) {
  text.clear();
  const auto failed = [&](int err) {
    return invalid("cannot read " + path + ": " + base::errno_text(err),
                   err == EISDIR ? "name a file inside it" : hint);
  };
  const auto too_large = [&] {
    return invalid(path + " is larger than " + std::to_string(kLargestFile >> 20U) + " MiB", hint);
  };
  InputFile file;
  if (path == "-") {
    file.open_standard_input();
  } else if (const int err = file.open(path); err != 0) {
    return failed(err);
  }
  // What says its size is not read to find out.
  if (const auto size = file.size()) {
    if (*size > kLargestFile) return too_large();
    // And a little more: some parsers want to read on behind the end.
    text.reserve(static_cast<std::size_t>(*size) + 256);
  }
  std::array<char, 65536> buffer{};
  for (;;) {
    const std::int64_t n = file.read(buffer);
    if (n == 0) return {};
    if (n < 0) return failed(static_cast<int>(-n));
    text.append(buffer.data(), static_cast<std::size_t>(n));
    if (text.size() > kLargestFile) return too_large();
  }
}

Result<std::string> read_text(const std::string& path, const std::string& hint) {
  std::string text;
  if (auto read = read_text(path, hint, text); !read) return std::move(read).error();
  return text;
}

Result<std::vector<Json>> read_documents(const std::string& path) {
  auto text = read_text(path, std::string(kHowToWrite));
  if (!text) return text.error();
  return parse_documents(*text, name_of(path));
}

Result<Json> read_view(const std::string& path, const std::string& kind) {
  const std::string how = "netpoll-trace " + kind + " -p PID --json -o FILE writes one";
  const auto text = read_text(path, how);
  if (!text) return text.error();
  const std::string name = name_of(path);
  auto documents = parse_documents(*text, name);
  if (!documents) return std::move(documents).error().with_hint(how);
  const auto schema = schema_of(documents->front(), name);
  if (!schema) return schema.error();
  if (documents->size() != 1 || schema->kind != kind) return invalid(name + " is not one document of " + kind, how);
  return std::move(documents->front());
}

Result<SchemaName> schema_of(const Json& document, const std::string& name) {
  static constexpr std::string_view kPrefix = "netpoll-trace/";
  const auto it = document.find("schema");
  const std::string text = it != document.end() && it->is_string() ? it->get<std::string>() : std::string();
  const auto slash = text.rfind("/v");
  SchemaName schema;
  if (text.starts_with(kPrefix) && slash != std::string::npos && slash > kPrefix.size()) {
    schema.kind = text.substr(kPrefix.size(), slash - kPrefix.size());
    // "v1", or "v1.2": what a minor version adds, an older reader passes over.
    const char* const last = text.data() + text.size();
    const auto [end, err] = std::from_chars(text.data() + slash + 2, last, schema.version);
    int minor = 0;
    const bool whole =
        end == last || (*end == '.' && std::from_chars(end + 1, last, minor).ptr == last && end + 1 < last);
    if (err != std::errc() || !whole) schema.version = 0;
  }
  if (schema.version < 1) {
    return invalid(
        name + " is JSON, but not a document of netpoll-trace" + (text.empty() ? "" : ": its schema is " + text),
        "every document starts with \"schema\": \"netpoll-trace/...\"");
  }
  if (schema.version > 1) {
    return invalid(name + " has schema " + text + ", which this version cannot read: it knows v1",
                   "use the netpoll-trace that wrote it, or a newer one");
  }
  return schema;
}

}  // namespace netpoll::cli
