// Reads result files: one document, an array, or one after the other.
#include "cli/compare/input.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>

#include "netpoll/fd.h"

namespace netpoll::cli {
namespace {

using exporters::Json;

// More than any honest result, less than what hurts: a result has some 20 kB.
constexpr std::size_t kLargestFile = 256U << 20U;

Error invalid(std::string message, std::string hint) {
  return Error(ErrorKind::kInvalid, std::move(message)).with_hint(std::move(hint));
}

constexpr std::string_view kHowToWrite = "a result is written by: netpoll-trace run echo --json -o FILE";

constexpr std::string_view kBlank = " \t\r\n";

// The length of the JSON value at the start of text: a bracketed one to its closing bracket, else up to a blank. npos
// when the text ends before the value does. Brackets inside strings do not count.
std::size_t value_length(std::string_view text) {
  if (text.front() != '{' && text.front() != '[') return std::min(text.find_first_of(kBlank), text.size());
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
      ++depth;
    } else if (c == '}' || c == ']') {
      if (--depth == 0) return i + 1;
    }
  }
  return std::string_view::npos;
}

std::string line_of(std::string_view text, std::size_t at) {
  return std::to_string(1 + std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(at), '\n'));
}

}  // namespace

Result<std::vector<Json>> parse_documents(std::string_view text, const std::string& name) {
  static constexpr std::string_view kBom = "\xef\xbb\xbf";
  const std::string_view whole = text.starts_with(kBom) ? text.substr(kBom.size()) : text;
  const std::string how(kHowToWrite);
  std::vector<Json> documents;
  std::size_t at = 0;
  while ((at = whole.find_first_not_of(kBlank, at)) != std::string_view::npos) {
    const std::string_view rest = whole.substr(at);
    const std::size_t length = value_length(rest);
    if (length == std::string_view::npos) {
      return invalid(name + " is cut short: the document that starts in line " + line_of(whole, at) + " does not end",
                     "write it again; -o FILE never leaves half a file");
    }
    Json value = Json::parse(rest.substr(0, length), nullptr, /*allow_exceptions=*/false);
    if (value.is_discarded()) return invalid(name + " is not JSON (line " + line_of(whole, at) + ")", how);
    if (value.is_array()) {
      for (Json& element : value) documents.push_back(std::move(element));
    } else {
      documents.push_back(std::move(value));
    }
    at += length;
  }
  if (documents.empty()) return invalid(name + " holds no document", how);
  for (const Json& document : documents) {
    if (!document.is_object()) return invalid(name + " is JSON, but not a result of netpoll-trace", how);
  }
  return documents;
}

Result<std::string> read_text(const std::string& path, const std::string& hint) {
  Fd file;
  int fd = STDIN_FILENO;
  const auto failed = [&](int err) {
    std::array<char, 128> reason{};
    return invalid("cannot read " + path + ": " + ::strerror_r(err, reason.data(), reason.size()),
                   err == EISDIR ? "name a file inside it" : hint);
  };
  if (path != "-") {
    file.reset(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY));
    if (!file.valid()) return failed(errno);
    fd = file.get();
  }
  std::string text;
  std::array<char, 65536> buffer{};
  for (;;) {
    const ssize_t n = ::read(fd, buffer.data(), buffer.size());
    if (n == 0) return text;
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return failed(errno);
    text.append(buffer.data(), static_cast<std::size_t>(n));
    if (text.size() > kLargestFile) {
      return invalid(path + " is larger than " + std::to_string(kLargestFile >> 20U) + " MiB", hint);
    }
  }
}

Result<std::vector<Json>> read_documents(const std::string& path) {
  auto text = read_text(path, std::string(kHowToWrite));
  if (!text) return text.error();
  return parse_documents(*text, path == "-" ? "standard input" : path);
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
