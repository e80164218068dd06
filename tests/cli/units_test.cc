// Durations, sizes and counts as people write them, and the words for what they should not.
#include "cli/units.h"

#include "tests/support/catch.h"

namespace netpoll::cli {
namespace {

using std::chrono::nanoseconds;

std::string refusal(const Error& error) { return error.message(); }

}  // namespace

TEST_CASE("durations take every unit, fractions and several parts") {
  CHECK(parse_duration("0s", "-d").value() == nanoseconds(0));
  CHECK(parse_duration("7ns", "-d").value() == nanoseconds(7));
  CHECK(parse_duration("3us", "-d").value() == nanoseconds(3'000));
  CHECK(parse_duration("250ms", "-d").value() == nanoseconds(250'000'000));
  CHECK(parse_duration("1.5s", "-d").value() == nanoseconds(1'500'000'000));
  CHECK(parse_duration("1m30s", "-d").value() == nanoseconds(90'000'000'000));
  CHECK(parse_duration("2h", "-d").value() == nanoseconds(7'200'000'000'000));
  CHECK(parse_duration("0.000000001s", "-d").value() == nanoseconds(1));
}

TEST_CASE("a duration without unit says how to write it") {
  const auto result = parse_duration("5", "--duration");
  REQUIRE_FALSE(result);
  CHECK(refusal(result.error()) == "--duration: \"5\" has no unit");
  CHECK(result.error().hint().find("5s") != std::string::npos);
  CHECK(result.error().kind() == ErrorKind::kInvalid);
}

TEST_CASE("malformed durations are refused") {
  for (const char* text :
       {"", "s", "-1s", "+1s", " 1s", "1 s", "1.s", "1.5", "5sec", "1s2", "0.5ns", "1e3s", "1S", "nan"}) {
    INFO(text);
    CHECK_FALSE(parse_duration(text, "-d"));
  }
}

TEST_CASE("absurd durations are refused and not wrapped") {
  for (const char* text : {"9223372036854775808ns", "99999999999999999999s", "2562048h", "2562047h2562047h"}) {
    INFO(text);
    const auto result = parse_duration(text, "-d");
    REQUIRE_FALSE(result);
    CHECK(refusal(result.error()).find("is too large") != std::string::npos);
  }
}

TEST_CASE("sizes know decimal and binary suffixes") {
  CHECK(parse_size("0", "--size").value() == 0);
  CHECK(parse_size("16k", "--size").value() == 16'000);
  CHECK(parse_size("16Ki", "--size").value() == 16'384);
  CHECK(parse_size("1.5Ki", "--size").value() == 1'536);
  CHECK(parse_size("2M", "--size").value() == 2'000'000);
  CHECK(parse_size("2MiB", "--size").value() == 2'097'152);
  for (const char* text : {"", "-1", "B", "1K", "1kb", "64 Ki", "0.5", "0x10", "1Ki1Ki", "99999999999999999999"}) {
    INFO(text);
    CHECK_FALSE(parse_size(text, "--size"));
  }
}

TEST_CASE("counts may be written short") {
  CHECK(parse_count("100000", "--ops").value() == 100'000);
  CHECK(parse_count("100k", "--ops").value() == 100'000);
  CHECK(parse_count("1.5M", "--ops").value() == 1'500'000);
  for (const char* text : {"", "-5", "1.5", "1Ki", "many"}) {
    INFO(text);
    CHECK_FALSE(parse_count(text, "--ops"));
  }
}

TEST_CASE("integers keep to their range") {
  CHECK(parse_integer("8", "--procs", 1, 64).value() == 8);
  for (const char* text : {"0", "65", "-1", "8.0", "8x", "", "99999999999999999999"}) {
    INFO(text);
    CHECK_FALSE(parse_integer(text, "--procs", 1, 64));
  }
}

TEST_CASE("pids are positive numbers") {
  CHECK(parse_pid("4194304").value() == 4'194'304);
  for (const char* text : {"0", "-1", "self", "4194305", "12 13", ""}) {
    INFO(text);
    const auto pid = parse_pid(text);
    REQUIRE_FALSE(pid);
    CHECK_FALSE(pid.error().hint().empty());
  }
}

TEST_CASE("a duration is printed as it can be typed") {
  for (const char* text : {"1ns", "1500us", "250ms", "5s", "2m", "3h", "0ns", "90s"}) {
    CHECK(duration_text(parse_duration(text, "-d").value()) == text);
  }
}

}  // namespace netpoll::cli
