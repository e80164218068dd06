// Requests as clients of pages write them (HTTP/1.0 and 1.1, RFC 9112), and how they are answered.
//
// The little of HTTP that pages need is here and not a library's: Debian's cpp-httplib comes as a shared library alone,
// which brings OpenSSL and brotli into every start of the tool, whatever is asked of it, and into every program that
// links the debug endpoint.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace netpoll::http {

// What is sent back, and whether the connection's other side is to keep it in a file.
struct Page {
  std::string text;
  std::string type = "text/plain; charset=utf-8";  // its Content-Type
  int status = 200;
  std::string file_name;  // what a browser saves it as; empty: it shows it
};

struct Request {
  std::string method;
  std::string path;  // "/debug/pprof/goroutine": decoded, without the query
  std::vector<std::pair<std::string, std::string>> parameters;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string host;  // whom it was meant for, as the client wrote it; empty where an old client did not say

  // The first of the name, which has to be written in lower case; empty if there is none.
  std::string_view header(std::string_view name) const;
  std::optional<std::string_view> parameter(std::string_view name) const;
};

// How many bytes of what a client has sent so far are a request with its headers; nothing while they are incomplete.
std::optional<std::size_t> head_size(std::string_view received);

// head: whole, with the empty line at its end. A page that says what is wrong with it otherwise: status 400, or 505 for
// another major version. A body is not looked at: connections end with the answer, so that nothing behind a request is
// taken for another one.
struct ParsedRequest {
  std::optional<Request> request;
  Page refusal;
};
ParsedRequest parse_request(std::string_view head);

// The bytes that answer: status line, headers, and the text unless it was asked for by HEAD. The connection closes
// after it.
std::string response_of(const Page& page, bool with_text);

}  // namespace netpoll::http
