// Reads the head of a request, and words the head of an answer.
#include "exporters/http/request.h"

#include <algorithm>
#include <cctype>

namespace netpoll::http {
namespace {

constexpr std::string_view kSpace = " \t";
constexpr std::string_view kForbidden("\0\r", 2);

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

// RFC 9110, 5.6.2: what names and methods are made of.
bool is_token(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
           std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
  });
}

bool is_visible(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c != 0x7f; });
}

// The size of an empty line at the front. One before a request is to be passed over (RFC 9112, 2.2).
std::size_t empty_line_before(std::string_view text) {
  return text.starts_with("\r\n") ? 2 : text.starts_with('\n') ? 1 : 0;
}

// Takes the next line from the front; its end may be a bare LF (RFC 9112, 2.2).
std::string_view take_line(std::string_view& text) {
  const auto end = text.find('\n');
  std::string_view line = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// %41 -> A, and in a query + -> space; nothing for a % without two digits.
std::optional<std::string> decoded(std::string_view text, bool in_query) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+' && in_query) {
      out += ' ';
    } else if (text[i] != '%') {
      out += text[i];
    } else {
      const int high = i + 2 < text.size() ? hex_digit(text[i + 1]) : -1;
      const int low = high < 0 ? -1 : hex_digit(text[i + 2]);
      if (low < 0) return std::nullopt;
      out += static_cast<char>(high * 16 + low);
      i += 2;
    }
  }
  return out;
}

bool take_query(Request& request, std::string_view query) {
  while (!query.empty()) {
    const auto end = query.find('&');
    const std::string_view pair = query.substr(0, end);
    query.remove_prefix(end == std::string_view::npos ? query.size() : end + 1);
    if (pair.empty()) continue;
    const auto equals = pair.find('=');
    auto name = decoded(pair.substr(0, equals), /*in_query=*/true);
    auto value = decoded(equals == std::string_view::npos ? "" : pair.substr(equals + 1), /*in_query=*/true);
    if (!name || !value) return false;
    request.parameters.emplace_back(std::move(*name), std::move(*value));
  }
  return true;
}

// "/path?query", or "http://host/path?query" as clients write it to proxies, which every server has to take (RFC 9112,
// 3.2.2); the host in it counts then. OPTIONS alone has "*", and CONNECT a bare host.
bool take_target(Request& request, std::string_view target) {
  constexpr std::string_view kScheme = "http://";
  if (target.size() >= kScheme.size() && lower(target.substr(0, kScheme.size())) == kScheme) {
    target.remove_prefix(kScheme.size());
    const auto end = target.find_first_of("/?");
    request.host = target.substr(0, end);
    target.remove_prefix(end == std::string_view::npos ? target.size() : end);
    if (request.host.empty()) return false;
    if (target.empty() || target.front() == '?') {
      request.path = "/";
      return target.empty() || take_query(request, target.substr(1));
    }
  }
  if (!target.starts_with('/')) return false;
  const auto mark = target.find('?');
  auto path = decoded(target.substr(0, mark), /*in_query=*/false);
  if (!path) return false;
  request.path = std::move(*path);
  return mark == std::string_view::npos || take_query(request, target.substr(mark + 1));
}

ParsedRequest refused(int status, const char* why) { return {std::nullopt, {.text = why, .status = status}}; }

const char* reason_of(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 400:
      return "Bad Request";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 431:
      return "Request Header Fields Too Large";
    case 503:
      return "Service Unavailable";
    case 505:
      return "HTTP Version Not Supported";
    default:
      return "Error";
  }
}

}  // namespace

std::string_view Request::header(std::string_view name) const {
  const auto found =
      std::find_if(headers.begin(), headers.end(), [name](const auto& one) { return one.first == name; });
  return found == headers.end() ? std::string_view() : std::string_view(found->second);
}

std::optional<std::string_view> Request::parameter(std::string_view name) const {
  const auto found =
      std::find_if(parameters.begin(), parameters.end(), [name](const auto& one) { return one.first == name; });
  return found == parameters.end() ? std::nullopt : std::optional<std::string_view>(found->second);
}

std::optional<std::size_t> head_size(std::string_view received) {
  const std::size_t begin = empty_line_before(received);
  if (const std::size_t empty = empty_line_before(received.substr(begin)); empty > 0) return begin + empty;
  for (std::size_t at = begin; (at = received.find('\n', at)) != std::string_view::npos;) {
    ++at;
    if (const std::size_t empty = empty_line_before(received.substr(at)); empty > 0) return at + empty;
  }
  return std::nullopt;
}

ParsedRequest parse_request(std::string_view head) {
  head.remove_prefix(empty_line_before(head));
  Request request;
  const std::string_view line = take_line(head);
  const auto method_end = line.find(' ');
  const auto version_at = line.rfind(' ');
  if (method_end == std::string_view::npos || version_at == method_end) {
    return refused(400, "a request begins with: METHOD /path HTTP/1.1\n");
  }
  request.method = line.substr(0, method_end);
  const std::string_view version = line.substr(version_at + 1);
  const std::string_view target = line.substr(method_end + 1, version_at - method_end - 1);
  constexpr std::size_t kVersionSize = std::string_view("HTTP/1.1").size();
  if (!is_token(request.method) || !version.starts_with("HTTP/") || version.size() != kVersionSize ||
      std::isdigit(static_cast<unsigned char>(version[5])) == 0 || version[6] != '.' ||
      std::isdigit(static_cast<unsigned char>(version[7])) == 0) {
    return refused(400, "a request begins with: METHOD /path HTTP/1.1\n");
  }
  if (version[5] != '1') return refused(505, "HTTP/1.0 and HTTP/1.1 are spoken here\n");
  if (!is_visible(target) || !take_target(request, target)) return refused(400, "that is no path\n");

  bool host_given = false;
  while (!head.empty()) {
    const std::string_view row = take_line(head);
    if (row.empty()) break;
    const auto colon = row.find(':');
    // A space before the colon, and lines that go on in the next one, have let requests pass for others (RFC 9112, 5).
    if (colon == std::string_view::npos || !is_token(row.substr(0, colon)) ||
        row.find_first_of(kForbidden) != row.npos) {
      return refused(400, "a header is written as: name: value\n");
    }
    std::string name = lower(row.substr(0, colon));
    const std::string_view value = trimmed(row.substr(colon + 1));
    if (name == "host") {
      if (host_given) return refused(400, "there are two Host headers\n");
      host_given = true;
      if (request.host.empty()) request.host = value;
    }
    request.headers.emplace_back(std::move(name), value);
  }
  if (!host_given && version[7] != '0') return refused(400, "the header Host is missing\n");
  return {std::move(request), {}};
}

std::string response_of(const Page& page, bool with_text) {
  std::string out = "HTTP/1.1 " + std::to_string(page.status) + " " + reason_of(page.status) +
                    "\r\nContent-Type: " + page.type + "\r\nContent-Length: " + std::to_string(page.text.size()) +
                    "\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n";
  if (page.status == 405) out += "Allow: GET, HEAD\r\n";
  if (!page.file_name.empty()) out += "Content-Disposition: attachment; filename=\"" + page.file_name + "\"\r\n";
  out += "\r\n";
  if (with_text) out += page.text;
  return out;
}

}  // namespace netpoll::http
