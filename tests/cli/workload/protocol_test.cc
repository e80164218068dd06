// The lines between run, its server and its load generator.
#include "cli/workload/protocol.h"

#include <fcntl.h>
#include <unistd.h>

#include <string>

#include "tests/support/catch.h"

using namespace netpoll::workload;

namespace {
template <typename T>
T server_message(const std::string& line) {
  auto message = parse_server_line(line);
  REQUIRE(message.has_value());
  REQUIRE(message->has_value());
  REQUIRE(std::holds_alternative<T>(**message));
  return std::get<T>(**message);
}
template <typename T>
T load_message(const std::string& line) {
  auto message = parse_load_line(line);
  REQUIRE(message.has_value());
  REQUIRE(message->has_value());
  REQUIRE(std::holds_alternative<T>(**message));
  return std::get<T>(**message);
}
}  // namespace

TEST_CASE("every message comes back from its line", "[protocol]") {
  const auto listening =
      server_message<Listening>(to_line(ServerMessage(Listening{.pid = 41, .addresses = {"127.0.0.1:5", "unix:/x"}})));
  CHECK(listening.pid == 41);
  CHECK(listening.addresses == std::vector<std::string>{"127.0.0.1:5", "unix:/x"});

  ServerResult served;
  served.operations = 1'000'000'000'000;
  served.connections = 3;
  served.bytes_read = 5;
  served.bytes_written = 6;
  served.errors = 7;
  served.mismatches = 8;
  served.duration_ns = 9;
  served.cpu_ns = 10;
  served.latency = Latency{.count = 2, .min = 1, .p50 = 2, .max = 9, .buckets = {{2, 1}, {9, 1}}};
  served.tracepoints = {{"park", 11}, {"ready", 12}};
  served.accepted = {1, 2};
  served.busy_rounds = 13;
  served.first_error = "x";
  const auto server_back = server_message<ServerResult>(to_line(ServerMessage(served)));
  CHECK(server_back.operations == served.operations);
  CHECK(server_back.mismatches == 8);
  CHECK(server_back.cpu_ns == 10);
  REQUIRE(server_back.latency.has_value());
  CHECK(server_back.latency->buckets == served.latency->buckets);
  CHECK(server_back.tracepoints == served.tracepoints);
  CHECK(server_back.accepted == served.accepted);
  CHECK(server_back.first_error == "x");

  CHECK(load_message<Connected>(to_line(LoadMessage(Connected{.connections = 64}))).connections == 64);
  CHECK(load_message<Progress>(to_line(LoadMessage(Progress{.operations = 5, .elapsed_ns = 6}))).elapsed_ns == 6);

  LoadResult load;
  load.operations = 1;
  load.warmup_operations = 2;
  load.connections = 3;
  load.bytes_sent = 4;
  load.bytes_received = 5;
  load.retransmits = 6;
  load.duration_ns = 7;
  load.requests_per_s = 8.5;
  load.latency.p999 = 99;
  auto load_back = load_message<LoadResult>(to_line(LoadMessage(load)));
  CHECK(load_back.warmup_operations == 2);
  CHECK(load_back.retransmits == 6);
  CHECK(load_back.requests_per_s == 8.5);
  CHECK(load_back.latency.p999 == 99);
  CHECK_FALSE(load_back.server_cpu_ns.has_value());
  load.server_cpu_ns = 0;
  load_back = load_message<LoadResult>(to_line(LoadMessage(load)));
  REQUIRE(load_back.server_cpu_ns.has_value());
  CHECK(*load_back.server_cpu_ns == 0);

  const auto failure =
      load_message<Failure>(to_line(LoadMessage(Failure{.message = "m", .hint = "h", .exit_status = 2})));
  CHECK(failure.message == "m");
  CHECK(failure.hint == "h");
  CHECK(failure.exit_status == 2);
}

TEST_CASE("unknown types and members are ignored", "[protocol]") {
  const auto unknown = parse_server_line(R"({"type":"weather","sun":true})");
  REQUIRE(unknown.has_value());
  CHECK_FALSE(unknown->has_value());
  CHECK(server_message<Listening>(R"({"type":"listening","pid":5,"new":1})").pid == 5);
}

TEST_CASE("null and wrongly typed members count as absent", "[protocol]") {
  const auto r = server_message<ServerResult>(
      R"({"type":"result","operations":null,"errors":"x","latency_ns":null,"tracepoints":[1],"accepted":{}})");
  CHECK(r.operations == 0);
  CHECK(r.errors == 0);
  CHECK_FALSE(r.latency.has_value());
}

TEST_CASE("what is no JSON object is refused", "[protocol]") {
  for (const char* line : {"", "hello", "[1]", "{", "{\"type\":\"result\""}) {
    CHECK_FALSE(parse_server_line(line).has_value());
    CHECK_FALSE(parse_load_line(line).has_value());
  }
}

TEST_CASE("text that is not UTF-8 does not break a line", "[protocol]") {
  const std::string line = to_line(ServerMessage(Listening{.pid = 1, .addresses = {"unix:/\xff\n"}}));
  CHECK(line.find('\n') == std::string::npos);
  CHECK(server_message<Listening>(line).pid == 1);
}

TEST_CASE("a link gives the child its ends and keeps the parent's to itself", "[protocol]") {
  auto link = make_link();
  REQUIRE(link.has_value());
  CHECK((fcntl(link->control.get(), F_GETFD) & FD_CLOEXEC) != 0);
  CHECK((fcntl(link->report.get(), F_GETFD) & FD_CLOEXEC) != 0);
  CHECK((fcntl(link->child_control.get(), F_GETFD) & FD_CLOEXEC) == 0);
  CHECK((fcntl(link->child_report.get(), F_GETFD) & FD_CLOEXEC) == 0);
  link->control.reset();
  char byte;
  CHECK(read(link->child_control.get(), &byte, 1) == 0);
}

TEST_CASE("lines are complete lines, however they arrive", "[protocol]") {
  auto link = make_link();
  REQUIRE(link.has_value());
  LineReader reader(link->report.get());
  const int out = link->child_report.get();
  auto lines = reader.read();
  REQUIRE(lines.has_value());
  CHECK(lines->empty());
  REQUIRE(write(out, "on", 2) == 2);
  CHECK(reader.read()->empty());
  REQUIRE(write(out, "e\ntwo\nthr", 9) == 9);
  CHECK(*reader.read() == std::vector<std::string>{"one", "two"});
  CHECK_FALSE(reader.at_end());
  REQUIRE(write(out, "ee\nlost", 7) == 7);
  link->child_report.reset();
  CHECK(*reader.read() == std::vector<std::string>{"three"});
  CHECK(reader.at_end());
}
