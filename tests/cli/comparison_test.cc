// Comparisons of results: figures, medians of several runs, verdicts and gates.
#include "cli/compare/comparison.h"

#include "cli/compare/baseline.h"
#include "cli/compare/self_test.h"
#include "tests/support/catch.h"

namespace netpoll::cli {
namespace {

using exporters::Json;
using Verdict = Change::Verdict;
using Outcome = Checked::Outcome;

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

// stat -p: a window of a running process.
Json window(double seconds, double writes, double ctls) {
  return Json{{"schema", "netpoll-trace/stat/v1"},
              {"target", {{"pid", 7}, {"comm", "server"}, {"kind", "other"}}},
              {"probe", {{"backend", "ebpf"}, {"lost", 0}}},
              {"command", nullptr},
              {"operations", nullptr},
              {"duration_ns", seconds * 1e9},
              {"latency_ns", nullptr},
              {"syscalls",
               {{"write", {{"count", writes}, {"per_op", nullptr}, {"errors", Json::object()}}},
                {"epoll_ctl", {{"count", ctls}, {"per_op", nullptr}, {"errors", Json::object()}}}}}};
}

ResultSet set(std::vector<Json> runs, const std::string& name = "f.json") {
  auto results = results_of(runs, name);
  REQUIRE(results);
  return *results;
}

Limit limit(const char* text) { return limit_of(parse_condition(text, "--fail-on").value()); }

Change change_of(const ResultSet& base, const ResultSet& head, const std::string& path) {
  const auto result = compare(base, head, {});
  REQUIRE(result);
  for (const Change& change : result->changes) {
    if (change.path == path) return change;
  }
  FAIL("no change at " << path);
  return {};
}

// Runs of one workload whose p99 are these.
ResultSet with_latency(const std::vector<double>& values) {
  std::vector<Json> runs;
  for (const double value : values) {
    runs.push_back(run(2));
    runs.back()["latency_ns"] = {{"p99", value}};
  }
  return set(runs);
}

}  // namespace

TEST_CASE("figures are every number but those that describe the run") {
  std::vector<std::string> paths;
  for (const Figure& figure : set({run(2)}).figures) paths.push_back(figure.path);
  CHECK(paths == std::vector<std::string>{"probe.lost", "operations", "syscalls.epoll_ctl.count",
                                          "syscalls.epoll_ctl.per_op", "poll"});
}

TEST_CASE("several runs of a file are compared by their median") {
  const auto base = set({run(2), run(2), run(9)});
  const auto head = set({run(2), run(3), run(3)});
  const auto result = compare(base, head, {limit("syscalls.epoll_ctl.per_op > +2%")});
  REQUIRE(result);
  CHECK(result->outcome() == Outcome::kRegression);
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
  CHECK(results.runs == 3);
  CHECK(known_figure(results, "syscalls.epoll_ctl.per_op").value().value() == 2);
}

TEST_CASE("an empty set of samples is refused, not an empty result") {
  Json repeated = run(5);
  repeated["samples"] = Json::array();
  const auto results = results_of({repeated}, "f.json");
  REQUIRE_FALSE(results);
  CHECK(results.error().message() == "f.json has an empty set of samples");
}

TEST_CASE("verdicts are per figure and in total") {
  const auto result = compare(set({run(2)}), set({run(2.02)}), {limit("syscalls.epoll_ctl.per_op > +2%")});
  REQUIRE(result);
  CHECK(result->outcome() == Outcome::kOk);
  for (const Change& change : result->changes) {
    if (change.path == "operations") CHECK(change.verdict == Verdict::kSame);
    if (change.path == "syscalls.epoll_ctl.count") CHECK(change.verdict == Verdict::kChanged);
    if (change.path == "syscalls.epoll_ctl.per_op") CHECK(change.delta_pct() == 1.0);
    if (change.path == "poll") CHECK(change.verdict == Verdict::kUnknown);
  }
}

TEST_CASE("a change of a hundredth of a percent is none") {
  CHECK(change_of(set({run(100)}), set({run(100.01)}), "syscalls.epoll_ctl.per_op").verdict == Verdict::kSame);
  CHECK(change_of(set({run(100)}), set({run(101)}), "syscalls.epoll_ctl.per_op").verdict == Verdict::kChanged);
}

TEST_CASE("attempts that ended in EAGAIN are timing's, what is left is the program's") {
  const auto accepting = [](int calls, int attempts) {
    Json result = run(2);
    result["syscalls"]["accept4"] = {{"count", calls}, {"errors", {{"EAGAIN", attempts}}}};
    return set({result});
  };
  const ResultSet base = accepting(24, 8);
  const ResultSet head = accepting(17, 1);
  CHECK(change_of(base, head, "syscalls.accept4.count").nature == Nature::kTiming);
  CHECK(change_of(base, head, "syscalls.accept4.count").verdict == Verdict::kInconclusive);
  const Change left = change_of(base, head, "syscalls.accept4.without_eagain");
  CHECK(left.nature == Nature::kExact);
  CHECK(left.verdict == Verdict::kSame);
  CHECK(left.base.value == 16);
  CHECK(change_of(base, accepting(18, 1), "syscalls.accept4.without_eagain").verdict == Verdict::kChanged);
}

TEST_CASE("a few wake-ups more or less are no change of the program") {
  const auto waking = [](int writes) {
    Json result = run(2);
    result["syscalls"]["write"] = {{"count", writes}, {"errors", Json::object()}};
    return set({result});
  };
  CHECK(change_of(waking(10), waking(9), "syscalls.write.count").verdict == Verdict::kSame);
  CHECK(change_of(waking(1000), waking(2000), "syscalls.write.count").verdict == Verdict::kChanged);
}

TEST_CASE("one run of each says nothing of timing") {
  const Change change = change_of(with_latency({100}), with_latency({300}), "latency_ns.p99");
  CHECK(change.nature == Nature::kTiming);
  CHECK(change.verdict == Verdict::kInconclusive);
  CHECK_FALSE(change.test);
}

TEST_CASE("figures that scatter are compared by their distributions") {
  const ResultSet base = with_latency({100, 104, 98, 101, 103, 99});
  const Change apart = change_of(base, with_latency({120, 125, 119, 121, 122, 124}), "latency_ns.p99");
  CHECK(apart.verdict == Verdict::kChanged);
  REQUIRE(apart.test);
  CHECK(apart.test->p == Approx(2.0 / 924));  // the most extreme of the 12! / (6! 6!) orders, and its mirror image
  CHECK(apart.test->effect == 1);
  CHECK(apart.base.range.low == 98);
  CHECK(apart.base.range.high == 104);
  CHECK(change_of(base, with_latency({90, 125, 101, 80, 140, 102}), "latency_ns.p99").verdict ==
        Verdict::kInconclusive);
  CHECK(change_of(with_latency({1000, 1001, 1002, 1003, 1004, 1005}),
                  with_latency({1005, 1004, 1003, 1002, 1001, 1000}), "latency_ns.p99")
            .verdict == Verdict::kSame);
}

TEST_CASE("a limit that chance may have passed is inconclusive") {
  const auto check = [](const std::vector<double>& base, const std::vector<double>& head) {
    return compare(with_latency(base), with_latency(head), {limit("latency_ns.p99 > +5%")})->outcome();
  };
  CHECK(check({100, 200, 50, 120, 90}, {115, 210, 60, 125, 80}) == Outcome::kInconclusive);
  CHECK(check({100, 101, 102, 103, 104}, {125, 126, 127, 128, 129}) == Outcome::kRegression);
  CHECK(check({100, 101, 102, 103, 104}, {100, 101, 102, 103, 104}) == Outcome::kOk);
  // Too few runs to know: the medians decide, or a gate over single runs could never fail.
  CHECK(check({100}, {200}) == Outcome::kRegression);
}

TEST_CASE("windows of different length are compared per second, or per the target's own calls") {
  const auto compared = [](const std::string& per) {
    ResultSet base = set({window(1, 1000, 100)});
    ResultSet head = set({window(3, 3020, 302)});
    REQUIRE(count_per(base, per));
    REQUIRE(count_per(head, per));
    return change_of(base, head, "syscalls.epoll_ctl.count");
  };
  CHECK(default_per(set({window(1, 1, 1)})) == "second");
  CHECK(default_per(set({run(1)})) == "none");
  CHECK(compared("second").delta_pct() == Approx(0.6667));
  CHECK(compared("write").delta_pct() == Approx(0).margin(1e-9));
  CHECK(compared("none").delta_pct() == 202.0);
  ResultSet base = set({window(1, 0, 100)});
  CHECK_FALSE(count_per(base, "write"));
  CHECK_FALSE(count_per(base, "wirte"));
}

TEST_CASE("a path that does not exist is an error with a suggestion") {
  const auto result = compare(set({run(2)}), set({run(2)}), {limit("syscalls.epol_ctl.per_op > +2%")});
  REQUIRE_FALSE(result);
  CHECK(result.error().hint() == "did you mean \"syscalls.epoll_ctl.per_op\"?");
}

TEST_CASE("an unknown figure cannot be gated") {
  const auto result = compare(set({run(2)}), set({run(2)}), {limit("poll > 2")});
  REQUIRE_FALSE(result);
  CHECK(result.error().message() == "poll is unknown in f.json");
  CHECK_FALSE(compare(set({run(2)}), set({run(2)}), {limit("poll.count > 2")}));
}

TEST_CASE("a figure that a kind of result cannot have is not blamed on a back end") {
  for (const char* path : {"syscalls.write.per_op > 1", "latency_ns.p99 > 5ms", "operations_per_s < -5%"}) {
    INFO(path);
    const auto result = compare(set({window(1, 2, 3)}), set({window(1, 2, 3)}), {limit(path)});
    REQUIRE_FALSE(result);
    CHECK(result.error().message().find("a result of stat, as f.json, has no ") == 0);
    CHECK(result.error().hint().find("--per write") != std::string::npos);
  }
}

TEST_CASE("an errno that did not occur counts zero") {
  Json failing = run(2);
  failing["syscalls"]["epoll_ctl"]["errors"]["EBADF"] = 3;
  const auto check = [](const Json& head, const char* text) {
    return compare(set({run(2)}), set({head}), {limit(text)})->outcome();
  };
  CHECK(check(failing, "syscalls.epoll_ctl.errors.EBADF > +0") == Outcome::kRegression);
  CHECK(check(run(2), "syscalls.epoll_ctl.errors.EPERM > 0") == Outcome::kOk);
  CHECK(change_of(set({run(2)}), set({failing}), "syscalls.epoll_ctl.errors.EBADF").verdict == Verdict::kChanged);
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

TEST_CASE("results of different machines and programs are not comparable") {
  Json here = window(1, 1, 1);
  here["host"] = {{"kernel", "6.1"}, {"arch", "x86_64"}, {"cpus", 2}};
  Json there = here;
  there["host"]["cpus"] = 64;
  there["target"]["comm"] = "nginx";
  CHECK(differences(here, there) == std::vector<std::string>{"program server and nginx", "cpus 2 and 64"});
  Json whole = here;
  whole["command"] = {"server"};
  CHECK(differences(here, whole) == std::vector<std::string>{"a whole command and a window of a running process"});
  CHECK(baseline_path("d", set({here})) != baseline_path("d", set({there})));
  CHECK(baseline_path("d", set({here})) == baseline_path("d", set({here, here})));
  there["target"]["comm"] = "../../etc/passwd";
  CHECK(baseline_path("d", set({there})).rfind('/') == 1);
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

TEST_CASE("a self-test moves the figure past each limit and sees the verdict turn") {
  const auto turns = [](const ResultSet& base, const char* text) {
    const auto tested = self_test(base, {limit(text)});
    REQUIRE(tested);
    REQUIRE(tested->size() == 1);
    return tested->front().turned();
  };
  for (const char* text : {"syscalls.epoll_ctl.per_op > +2%", "syscalls.epoll_ctl.per_op < -2%", "operations < 500",
                           "syscalls.epoll_ctl.errors.EBADF > 0", "operations != 1000", "operations == 1001"}) {
    INFO(text);
    CHECK(turns(set({run(2)}), text));
  }
  CHECK_FALSE(turns(set({run(2)}), "operations > 5"));  // fails as it is
  CHECK(turns(with_latency({100, 150, 70, 110, 90, 130}), "latency_ns.p99 > +5%"));
}

}  // namespace netpoll::cli
