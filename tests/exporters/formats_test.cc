// The table of formats: what each can show, and that it shows it.
#include <stdlib.h>
#include <unistd.h>

#include <fstream>
#include <iterator>
#include <set>
#include <string>

#include "exporters/exporter.h"
#include "exporters/json.h"
#include "tests/support/catch.h"

namespace netpoll::exporters {
namespace {

// What a format makes of document.
std::string exported(const Format& format, const Json& document) {
  char path[] = "/tmp/netpoll-formats-XXXXXX";
  const int fd = mkstemp(path);
  REQUIRE(fd >= 0);
  close(fd);
  auto out = Destination::open(path);
  REQUIRE(out.has_value());
  const auto exporter = format.make(*out, {});
  REQUIRE(exporter->result(document).has_value());
  REQUIRE(out->commit().has_value());
  std::ifstream file(path);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  unlink(path);
  return text;
}

TEST_CASE("every format has a name of its own, a summary, and something to show") {
  std::set<std::string_view> names;
  for (const Format& format : formats()) {
    CAPTURE(format.name);
    CHECK(names.insert(format.name).second);
    CHECK_FALSE(format.summary.empty());
    CHECK(format.accepts != 0);
    CHECK(find_format(format.name) == &format);
  }
  CHECK(formats().front().name == "table");
  CHECK(find_format("nonsense") == nullptr);
}

TEST_CASE("json is the document, and a table has its figures") {
  const Json document = {{"schema", "netpoll-trace/stat/v1"},
                         {"target", {{"pid", 41}, {"comm", "se\x1brver"}}},
                         {"duration_ns", 2'000'000'000},
                         {"operations", nullptr},
                         {"syscalls", {{"read", {{"count", 1204}, {"errors", {{"EAGAIN", 3}}}, {"total_ns", 4000}}}}}};
  CHECK(parse_json(exported(*find_format("json"), document)) == document);
  const std::string page = exported(*find_format("table"), document);
  CHECK(page.find("1,204") != std::string::npos);
  CHECK(page.find("EAGAIN 3") != std::string::npos);
  CHECK(page.find('\x1b') == std::string::npos);
}

TEST_CASE("the mean is of calls that returned, and calls in flight are said to be in flight") {
  const Json document = {{"schema", "netpoll-trace/stat/v1"},
                         {"duration_ns", 5'000'000'000},
                         {"operations", nullptr},
                         {"syscalls",
                          {{"epoll_wait",
                            {{"count", 3},
                             {"returned", 1},
                             {"total_ns", 3'000'000'000},
                             {"window_ns", 6'800'000'000},
                             {"in_flight", {{"count", 2}, {"before", 0}, {"longest_ns", 1'800'000'000}}}}},
                           {"futex",
                            {{"count", 0},
                             {"returned", 0},
                             {"total_ns", 0},
                             {"window_ns", 5'000'000'000},
                             {"in_flight", {{"count", 1}, {"before", 1}, {"longest_ns", 5'000'000'000}}}}}}}};
  const std::string page = exported(*find_format("table"), document);
  INFO(page);
  CHECK(page.find("6.80 s  3.00 s") != std::string::npos);
  CHECK(page.find("2 in flight, longest 1.80 s") != std::string::npos);
  CHECK(page.find("1 in flight since before, longest 5.00 s") != std::string::npos);
}

}  // namespace
}  // namespace netpoll::exporters
