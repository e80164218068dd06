// The conditions of --fail-if and --expect: percentages, differences, units, and what is wrong with others.
#include "cli/compare/condition.h"

#include "tests/support/catch.h"

namespace netpoll::cli {
namespace {

Condition condition(std::string_view text) {
  auto parsed = parse_condition(text, "--fail-on");
  REQUIRE(parsed);
  return *parsed;
}

}  // namespace

TEST_CASE("a percentage is measured against the base") {
  const auto c = condition("syscalls.epoll_ctl.per_op > +2%");
  CHECK(c.path == "syscalls.epoll_ctl.per_op");
  CHECK_FALSE(c.holds(100, 100));
  CHECK_FALSE(c.holds(100, 102));
  CHECK(c.holds(100, 103));
  CHECK_FALSE(c.holds(100, 50));
  CHECK(condition("a < -1%").holds(100, 98));
  CHECK_FALSE(condition("a < -1%").holds(100, 99.5));
  CHECK(condition("a>2%").holds(1, 2));
}

TEST_CASE("a change from zero is infinite, no change is none") {
  CHECK(condition("a > +1000%").holds(0, 1));
  CHECK_FALSE(condition("a > +0%").holds(0, 0));
  CHECK(condition("a < -1%").holds(0, -1));
}

TEST_CASE("a signed limit is a difference, an unsigned one a value") {
  CHECK(condition("tracepoints.park.count > +100").holds(1000, 1101));
  CHECK_FALSE(condition("tracepoints.park.count > +100").holds(1000, 1100));
  CHECK(condition("tracepoints.park.count < -5").holds(10, 4));
  CHECK(condition("tracepoints.park.count > 100").holds(0, 101));
  CHECK_FALSE(condition("tracepoints.park.count > 100").holds(0, 100));
  CHECK(condition("a != +0").holds(1, 2));
  CHECK(condition("a == 7").holds(0, 7));
}

TEST_CASE("limits of times and sizes may carry units") {
  CHECK(condition("latency_ns.p99 > 5ms").limit == 5e6);
  CHECK(condition("latency_ns.p99 > +5ms").against == Condition::Against::kDifference);
  CHECK(condition("server.bytes_read > 64Ki").limit == 65536);
  CHECK(condition("poll.count >= 10k").limit == 10000);
  CHECK(condition("syscalls.epoll_ctl.per_op <= 1e-3").limit == 1e-3);
}

TEST_CASE("paths may start with a dot as in jq") { CHECK(condition(".poll.count>1").path == "poll.count"); }

TEST_CASE("malformed conditions say what is missing") {
  for (const char* text : {"", "a", "a >", "> 5", "a > five", "a > +", "a > %", "a > 5%%", "a >> 5", "a => 5",
                           "a b > 5", "a > --5", "a > +-2%", "a > nan", "a > inf", "a > 5ms"}) {
    INFO(text);
    const auto parsed = parse_condition(text, "--fail-on");
    REQUIRE_FALSE(parsed);
    CHECK(parsed.error().kind() == ErrorKind::kInvalid);
    CHECK(parsed.error().message().find("--fail-on '") == 0);
    CHECK_FALSE(parsed.error().hint().empty());
  }
}

TEST_CASE("a mistake is pointed at, counted in characters and not in bytes") {
  const auto refuses = [](std::string_view text, std::string_view with) {
    const auto parsed = parse_condition(text, "--fail-on");
    REQUIRE_FALSE(parsed);
    INFO(parsed.error().message());
    return parsed.error().message().find(with) != std::string::npos && !parsed.error().hint().empty();
  };
  CHECK(refuses("latency_ns.p99 > 5mx", "\"5mx\" at character 18 is not a duration"));
  CHECK(refuses("x > 5q", "\"5q\" at character 5 is not a limit"));
  CHECK(refuses("x \xe2\x89\xa5 3", "(at character 3, '\xe2\x89\xa5')"));
  CHECK(refuses("\xc3\xa9 >> 3", "(at character 4, '>')"));
  CHECK(refuses("x.count", "(at its end)"));
}

}  // namespace netpoll::cli
