// What "did you mean" finds, and when it lists instead.
#include "cli/spell.h"

#include "tests/support/catch.h"

namespace netpoll::cli {

TEST_CASE("a swap of neighbours is one edit") {
  CHECK(edit_distance("stat", "stat") == 0);
  CHECK(edit_distance("satt", "stat") == 1);
  CHECK(edit_distance("", "run") == 3);
  CHECK(edit_distance("compare", "compere") == 1);
}

TEST_CASE("the closest word is what was meant") {
  const std::vector<std::string> words{"run", "stat", "snapshot", "compare", "doctor", "help"};
  CHECK(closest("snapshto", words) == "snapshot");
  CHECK(closest("snap", words) == "snapshot");
  CHECK(closest("RUN", words) == "run");
  CHECK(closest("stats", words) == "stat");
  CHECK(closest("docter", words) == "doctor");
  CHECK_FALSE(closest("perfetto", words));
  CHECK_FALSE(closest("", words));
  CHECK(closest("-P", {"-p", "-d"}) == "-p");
  CHECK_FALSE(closest("-x", {"-p", "-d"}));
}

TEST_CASE("a suggestion is a question, its absence a list") {
  CHECK(did_you_mean("ehco", {"echo", "idle"}, "one of: echo, idle") == "did you mean \"echo\"?");
  CHECK(did_you_mean("zzzzzz", {"echo", "idle"}, "one of: echo, idle") == "one of: echo, idle");
}

}  // namespace netpoll::cli
