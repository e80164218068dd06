// What a budget may say, and that mistakes in one are pointed at by line and column.
#include "cli/compare/budget.h"

#include "tests/support/catch.h"

namespace netpoll::cli {
namespace {

std::vector<Limit> budget(std::string_view text) {
  auto limits = parse_budget(text, "b.toml");
  if (!limits) FAIL(limits.error().message());
  return *limits;
}

std::string refusal(std::string_view text) {
  const auto limits = parse_budget(text, "b.toml");
  if (limits) return "accepted";
  CHECK(limits.error().kind() == ErrorKind::kInvalid);
  CHECK_FALSE(limits.error().hint().empty());
  return limits.error().message();
}

}  // namespace

TEST_CASE("an absolute and a relative limit must both be exceeded") {
  const auto limits = budget("version = 1\n[limits.\"poll.count\"]\nmax_increase = 10\nmax_increase_pct = 2\n");
  REQUIRE(limits.size() == 1);
  CHECK(limits[0].text == "poll.count > +10 and > +2%");
  CHECK_FALSE(limits[0].holds(100, 105));      // 5 %, but five
  CHECK_FALSE(limits[0].holds(10000, 10100));  // 100, but 1 %
  CHECK(limits[0].holds(100, 111));
  CHECK(limits[0].source->line == 2);
  CHECK(limits[0].is_about_change());
}

TEST_CASE("limits upwards and downwards are two") {
  const auto limits = budget("version = 1\n[limits.operations_per_s]\nmin = 1000\nmax_decrease_pct = 5\nmax = 9e9\n");
  REQUIRE(limits.size() == 2);
  CHECK(limits[0].holds(1000, 900));
  CHECK_FALSE(limits[0].holds(2000, 1100));
  CHECK(limits[1].text.find("operations_per_s > ") == 0);
}

TEST_CASE("amounts may have units") {
  CHECK(budget("version = 1\n[limits.\"latency_ns.p99\"]\nmax = \"5ms\"\n")[0].all[0].limit == 5e6);
}

TEST_CASE("mistakes point at line and column") {
  const auto value = [](const char* text) {
    return refusal(std::string("version = 1\n[limits.\"poll.count\"]\nmax = ") + text + "\n");
  };
  CHECK(value("nan") == "b.toml:3:7: max is not a number (nan)");
  CHECK(value("inf") == "b.toml:3:7: max is infinite");
  CHECK(value("-inf") == "b.toml:3:7: max is infinite");
  CHECK(value("-1") == "b.toml:3:7: max is negative");
  CHECK(value("true") == "b.toml:3:7: max is no number");
  CHECK(value("\"5 apples\"") == "b.toml:3:7: max = \"5 apples\" is no amount of poll.count");
  CHECK(value("\"+5%\"").find("b.toml:3:7: max") == 0);
  CHECK(value("").find("b.toml:3:") == 0);
  CHECK(refusal("version = 1\n[limits.\"poll.count\"]\n  maxx = 1\n") == "b.toml:3:3: unknown key \"maxx\"");
  CHECK(refusal("version = 1\nlimit = 1\n") == "b.toml:2:1: unknown key \"limit\"");
  CHECK(refusal("version = 2\n") == "b.toml:1:11: budgets of version 2 are newer than this program");
  CHECK(refusal("version = 0\n").find("b.toml:1:11: ") == 0);
  CHECK(refusal("[limits]\n") == "b.toml does not say which version of budgets it is");
  CHECK(refusal("version = 1\n") == "b.toml has no limits");
  CHECK(refusal("version = 1\n[limits.x]\n").find("sets no limit") != std::string::npos);
  CHECK(refusal("version = 1\n[limits.\"a > b\"]\nmax = 1\n").find("is no path") != std::string::npos);
  CHECK(refusal(std::string_view("\0\xff", 2)).find("b.toml:1:") == 0);
  CHECK(refusal("version = 1\n[=]\n").find("b.toml:2:2: ") == 0);
  CHECK(refusal("version = 1\n[limits.\xce\x95]\nmax = 1\n").find("b.toml:2:9: ") == 0);
}

TEST_CASE("comments may be in any language") {
  CHECK(budget("\xef\xbb\xbf# \xce\x95\nversion = 1\n[limits.a]\nmax = 1 # \xc2\xb5s\n").size() == 1);
}

}  // namespace netpoll::cli
