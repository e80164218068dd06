// Which requests are understood, and which are refused with what.
#include "exporters/http/request.h"

#include "tests/support/catch.h"

using namespace netpoll::http;

namespace {

int status_of(std::string_view head) {
  const ParsedRequest parsed = parse_request(head);
  return parsed.request ? 200 : parsed.refusal.status;
}

}  // namespace

TEST_CASE("a request is read as its client wrote it") {
  const auto parsed = parse_request(
      "GET /debug/pprof/goroutine?debug=2&all=1&empty=&none&%6eame=a%20b+c HTTP/1.1\r\n"
      "Host: localhost:6060\r\nACCEPT: \t text/plain \t\r\nX-Empty:\r\n\r\n");
  REQUIRE(parsed.request);
  const Request& request = *parsed.request;
  CHECK(request.method == "GET");
  CHECK(request.path == "/debug/pprof/goroutine");
  CHECK(request.host == "localhost:6060");
  CHECK(request.header("accept") == "text/plain");
  CHECK(request.header("x-empty").empty());
  CHECK(request.header("x-absent").empty());
  CHECK(request.parameter("debug") == "2");
  CHECK(request.parameter("empty") == "");
  CHECK(request.parameter("none") == "");
  CHECK(request.parameter("name") == "a b c");
  CHECK_FALSE(request.parameter("absent"));
}

TEST_CASE("where a request ends is known as soon as it is there") {
  const std::string_view whole = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
  for (std::size_t size = 0; size < whole.size(); ++size) CHECK_FALSE(head_size(whole.substr(0, size)));
  CHECK(head_size(whole) == whole.size());
  CHECK(head_size(std::string(whole) + "GET / HTTP/1.1\r\n\r\n") == whole.size());
  CHECK(head_size("GET / HTTP/1.0\n\nmore") == 16);
  // One empty line may stand before it; two are a request that says nothing.
  CHECK(head_size("\r\n" + std::string(whole)) == whole.size() + 2);
  CHECK(status_of("\r\n" + std::string(whole)) == 200);
  CHECK_FALSE(head_size("\r\n"));
  CHECK(head_size("\r\n\r\n") == 4);
  CHECK(status_of("\r\n\r\n") == 400);
}

TEST_CASE("a whole address counts as the host, whatever the header says") {
  const auto parsed = parse_request("GET HTTP://evil.example:80/metrics?x=1 HTTP/1.1\r\nHost: localhost\r\n\r\n");
  REQUIRE(parsed.request);
  CHECK(parsed.request->host == "evil.example:80");
  CHECK(parsed.request->path == "/metrics");
  CHECK(parsed.request->parameter("x") == "1");
  const auto bare = parse_request("GET http://localhost?x=2 HTTP/1.0\r\n\r\n");
  REQUIRE(bare.request);
  CHECK(bare.request->path == "/");
  CHECK(bare.request->parameter("x") == "2");
}

TEST_CASE("what is no request is refused") {
  const std::string host = "Host: localhost\r\n\r\n";
  for (const char* line :
       {"GET", "GET ", "GET /", "GET  HTTP/1.1", "GET / HTTP/1.1 ", "GET / HTTP/11", "GET / http/1.1", "GET / HTTP/x.1",
        "G(T / HTTP/1.1", " GET / HTTP/1.1", "GET metrics HTTP/1.1", "GET * HTTP/1.1", "GET http:// HTTP/1.1",
        "GET /a b HTTP/1.1", "GET /%4 HTTP/1.1", "GET /%zz HTTP/1.1", "GET /?%g0 HTTP/1.1", "GET /\x7f HTTP/1.1"}) {
    INFO(line);
    CHECK(status_of(line + ("\r\n" + host)) == 400);
  }
  for (const char* row : {"no colon", "Name : space before the colon", ": no name", " folded: line", "N\xc3\xa4me: x",
                          "Host: other", "Name: car\riage"}) {
    INFO(row);
    CHECK(status_of("GET / HTTP/1.1\r\n" + (row + ("\r\n" + host))) == 400);
  }
  CHECK(status_of(std::string("GET / HTTP/1.1\r\nName: \0\r\n", 25) + host) == 400);
  CHECK(status_of("GET / HTTP/1.1\r\n\r\n") == 400);
  CHECK(status_of("GET / HTTP/1.0\r\n\r\n") == 200);
  CHECK(status_of("GET / HTTP/2.0\r\n" + host) == 505);
  CHECK(status_of("GET / HTTP/0.9\r\n" + host) == 505);
}

TEST_CASE("an answer says its size, and has no text where only its head was asked for") {
  const Page page{.text = "hello\n", .type = "text/html", .file_name = "greeting"};
  CHECK(response_of(page, /*with_text=*/true) ==
        "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 6\r\nX-Content-Type-Options: nosniff\r\n"
        "Connection: close\r\nContent-Disposition: attachment; filename=\"greeting\"\r\n\r\nhello\n");
  CHECK(response_of({.text = "no\n", .status = 405}, /*with_text=*/false) ==
        "HTTP/1.1 405 Method Not Allowed\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 3\r\n"
        "X-Content-Type-Options: nosniff\r\nConnection: close\r\nAllow: GET, HEAD\r\n\r\n");
}
