#include "cli/compare/comparison.h"

#include "tests/support/catch.h"

namespace netpoll::cli {
namespace {

using exporters::Json;

Json run(double per_op, int ops = 1000) {
  return Json{{"schema", "netpoll-trace/run/v1"},
              {"target", {{"pid", 7}, {"kind", "libruntime"}}},
              {"probe", {{"backend", "ebpf"}, {"lost", 0}}},
              {"workload", {{"name", "echo"}, {"ops", ops}, {"poll_mode", "thread"}}},
              {"operations", ops},
              {"syscalls", {{"epoll_ctl", {{"count", per_op * ops}, {"per_op", per_op}, {"errors", Json::object()}}}}},
              {"poll", nullptr},
              {"samples", nullptr}};
}

ResultSet set(std::vector<Json> runs, const std::string& name = "f.json") {
  auto results = results_of(std::move(runs), name);
  REQUIRE(results);
  return *results;
}

Condition condition(const char* text) { return parse_condition(text, "--fail-on").value(); }

}  // namespace

TEST_CASE("figures are every number but those that describe the run") {
  const auto all = figures(set({run(2)}));
  std::vector<std::string> paths;
  for (const Figure& figure : all) paths.push_back(figure.path);
  CHECK(paths == std::vector<std::string>{"probe.lost", "operations", "syscalls.epoll_ctl.count",
                                          "syscalls.epoll_ctl.per_op", "poll"});
}

TEST_CASE("several runs of a file are compared by their median") {
  const auto base = set({run(2), run(2), run(9)});
  const auto head = set({run(2), run(3), run(3)});
  const auto result = compare(base, head, {condition("syscalls.epoll_ctl.per_op > +2%")});
  REQUIRE(result);
  CHECK(result->regression());
  CHECK(result->checked[0].base == 2);
  CHECK(result->checked[0].head == 3);
}

TEST_CASE("samples of a repeated result are runs") {
  Json repeated = run(5);
  repeated["samples"] = Json::array();
  for (const double per_op : {1.0, 2.0, 3.0}) {
    repeated["samples"].push_back({{"syscalls", {{"epoll_ctl", {{"per_op", per_op}}}}}});
  }
  const auto results = set({repeated});
  CHECK(results.runs.size() == 3);
  CHECK(figure_at(figures(results), "syscalls.epoll_ctl.per_op", "f").value().value == 2);
}

TEST_CASE("verdicts are per figure and in total") {
  const auto result = compare(set({run(2)}), set({run(2.02)}), {condition("syscalls.epoll_ctl.per_op > +2%")});
  REQUIRE(result);
  CHECK_FALSE(result->regression());
  for (const Change& change : result->changes) {
    if (change.path == "operations") CHECK(change.verdict == Change::Verdict::kSame);
    if (change.path == "syscalls.epoll_ctl.count") CHECK(change.verdict == Change::Verdict::kHigher);
    if (change.path == "syscalls.epoll_ctl.per_op") {
      CHECK(change.verdict == Change::Verdict::kOk);
      CHECK(change.delta_pct() == 1.0);
    }
    if (change.path == "poll") CHECK(change.verdict == Change::Verdict::kUnknown);
  }
}

TEST_CASE("a path that does not exist is an error with a suggestion") {
  const auto result = compare(set({run(2)}), set({run(2)}), {condition("syscalls.epol_ctl.per_op > +2%")});
  REQUIRE_FALSE(result);
  CHECK(result.error().hint() == "did you mean \"syscalls.epoll_ctl.per_op\"?");
}

TEST_CASE("an unknown figure cannot be gated") {
  const auto result = compare(set({run(2)}), set({run(2)}), {condition("poll > 2")});
  REQUIRE_FALSE(result);
  CHECK(result.error().message() == "poll is unknown in f.json");
}

TEST_CASE("an errno that did not occur counts zero") {
  Json failing = run(2);
  failing["syscalls"]["epoll_ctl"]["errors"]["EBADF"] = 3;
  CHECK(compare(set({run(2)}), set({failing}), {condition("syscalls.epoll_ctl.errors.EBADF > +0")})->regression());
  CHECK_FALSE(compare(set({run(2)}), set({run(2)}), {condition("syscalls.epoll_ctl.errors.EPERM > 0")})->regression());
}

TEST_CASE("results measured differently name what differs") {
  Json other = run(2, 500);
  other["workload"]["poll_mode"] = "hybrid";
  other["probe"]["backend"] = "ptrace";
  CHECK(differences(run(2), other) ==
        std::vector<std::string>{"ops 1000 and 500", "poll mode thread and hybrid", "back end ebpf and ptrace"});
  CHECK(differences(run(2), run(3)).empty());
  Json interrupted = run(2);
  interrupted["interrupted"] = true;
  CHECK(differences(run(2), interrupted) == std::vector<std::string>{"the head was interrupted"});
}

TEST_CASE("a result that names no poller was measured with epoll") {
  Json other = run(2);
  other["workload"]["poller"] = "epoll";
  CHECK(differences(run(2), other).empty());
  CHECK(differences(other, run(2)).empty());
  other["workload"]["poller"] = "kqueue";
  CHECK(differences(run(2), other) == std::vector<std::string>{"poller epoll and kqueue"});
  CHECK(differences(other, run(2)) == std::vector<std::string>{"poller kqueue and epoll"});
}

TEST_CASE("a file of runs that differ among themselves is refused") {
  const auto results = results_of({run(2, 100), run(2, 200)}, "f.json");
  REQUIRE_FALSE(results);
  CHECK(results.error().message() == "the runs in f.json differ: ops 100 and 200");
}

TEST_CASE("documents of another kind are refused") {
  const auto results = results_of({Json{{"schema", "netpoll-trace/snapshot/v1"}}}, "f.json");
  REQUIRE_FALSE(results);
  CHECK(results.error().message().find("is the result of snapshot") != std::string::npos);
}

}  // namespace netpoll::cli
