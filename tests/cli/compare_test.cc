// compare as a CI uses it: files on two sides, budgets, baselines, the self-test.
#include "exporters/json.h"
#include "tests/cli/tool.h"
#include "tests/support/catch.h"

namespace netpoll::test {
namespace {

using exporters::Json;
using exporters::parse_json;

Json result(int ctls, double p99 = 1000) {
  return Json{{"schema", "netpoll-trace/run/v1"},
              {"host", {{"kernel", "6.1"}, {"arch", "x86_64"}, {"cpus", 2}}},
              {"target", {{"kind", "libruntime"}}},
              {"probe", {{"backend", "ebpf"}, {"lost", 0}}},
              {"workload", {{"name", "echo"}, {"ops", 100}, {"trigger", "edge"}}},
              {"operations", 100},
              {"latency_ns", {{"p99", p99}}},
              {"syscalls", {{"epoll_ctl", {{"count", ctls}, {"per_op", ctls / 100.0}, {"errors", Json::object()}}}}}};
}

class Files {
 public:
  std::string write(const std::string& name, const std::string& text) {
    write_file(dir / name, text);
    return dir / name;
  }
  std::string write(const std::string& name, const Json& json) { return write(name, exporters::compact(json)); }
  TempDir dir;
};

bool contains(const std::string& text, const std::string& part) {
  INFO(text);
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("several files a side are one set of runs") {
  Files files;
  std::vector<std::string> arguments{"compare", "--json"};
  for (int i = 0; i < 5; ++i) arguments.push_back(files.write("b" + std::to_string(i), result(2, 1000 + i)));
  arguments.emplace_back("--");
  for (int i = 0; i < 5; ++i) arguments.push_back(files.write("h" + std::to_string(i), result(2, 1500 + i)));
  const ToolResult done = run_tool(arguments);
  REQUIRE(done.exit_code == 0);
  const Json json = parse_json(done.out);
  CHECK(json["base"]["runs"] == 5);
  CHECK(json["head"]["files"].size() == 5);
  for (const Json& change : json["changes"]) {
    if (change["path"] == "latency_ns.p99") {
      CHECK(change["verdict"] == "changed");
      CHECK(change["belongs_to"] == "timing");
      CHECK(change["p"].get<double>() < 0.01);
      CHECK(change["base_range"] == Json{{"min", 1000}, {"max", 1004}});
    }
  }
  arguments.erase(arguments.begin() + 7);  // without the dashes nobody knows
  const ToolResult unclear = run_tool(arguments);
  CHECK(unclear.exit_code == 2);
  CHECK(contains(unclear.err, "put -- between them"));
}

TEST_CASE("runs of one binary get one sentence and their exact figures") {
  Files files;
  const ToolResult done = run_tool({"compare", files.write("a", result(2, 1000)), files.write("b", result(2, 1700))});
  CHECK(done.exit_code == 0);
  CHECK(contains(done.out, "the same: 3 figures that belong to the program; 1 moved as timing does"));
  CHECK(contains(done.out, "syscalls.epoll_ctl.count"));
  CHECK_FALSE(contains(done.out, "latency_ns"));
}

TEST_CASE("a budget fails the gate, and its mistakes name line and column") {
  Files files;
  const std::string base = files.write("base", result(100));
  const std::string head = files.write("head", result(103));
  const auto gate = [&](const std::string& limits) {
    const std::string file = files.write("b.toml", "version = 1\n[limits.\"syscalls.epoll_ctl.count\"]\n" + limits);
    return run_tool({"compare", base, head, "--budget", file});
  };
  CHECK(gate("max_increase_pct = 2\n").exit_code == 1);
  CHECK(gate("max_increase_pct = 2\nmax_increase = 10\n").exit_code == 0);
  const ToolResult wrong = gate("max = nan\n");
  CHECK(wrong.exit_code == 2);
  CHECK(contains(wrong.err, "b.toml:3:7: max is not a number (nan)"));
  const std::string other = files.write("o.toml", std::string("version = 1\n[limits.\"poll.cuont\"]\nmax = 1\n"));
  const ToolResult unknown = run_tool({"compare", base, head, "--budget", other});
  CHECK(unknown.exit_code == 2);
  CHECK(contains(unknown.err, "o.toml:2:9: "));
}

TEST_CASE("a self-test proves that the gate can fail, or says that it cannot") {
  Files files;
  const std::string base = files.write("base", result(100));
  const auto tested = [&](const std::string& limit) {
    return run_tool({"compare", base, base, "--self-test", "--fail-on", limit});
  };
  const ToolResult good = tested("syscalls.epoll_ctl.count > +2%");
  CHECK(good.exit_code == 0);
  CHECK(contains(good.out, "turns: syscalls.epoll_ctl.count > +2%  (ok at 100, regression at"));
  CHECK(tested("syscalls.epoll_ctl.count > 5").exit_code == 1);
  CHECK(run_tool({"compare", base, base, "--self-test"}).exit_code == 2);
}

TEST_CASE("--fail-on changed fails for a change in either direction, and for nothing that timing does") {
  Files files;
  const std::string base = files.write("base", result(100));
  const auto gate = [&](const Json& head, std::vector<std::string> more = {}) {
    more.insert(more.begin(), {"compare", base, files.write("head", head), "--fail-on", "changed"});
    return run_tool(more);
  };
  const ToolResult same = gate(result(100, 5000));
  CHECK(same.exit_code == 0);
  CHECK(contains(same.out, "ok: no figure of the program changed"));
  for (const int ctls : {99, 101}) {
    const ToolResult done = gate(result(ctls), {"--json"});
    CHECK(done.exit_code == 1);
    const Json document = Json::parse(done.out);
    CHECK(document["verdict"] == "regression");
    CHECK(document["fail_on_changed"] == true);
    REQUIRE(document["conditions"].size() == 2);
    CHECK(document["conditions"][0]["condition"] == "syscalls.epoll_ctl.count changed");
    CHECK(document["conditions"][0]["head"] == ctls);
  }
  CHECK(contains(gate(result(101)).out, "regression: syscalls.epoll_ctl.count changed  (100 -> 101)"));
  CHECK(contains(gate(result(101), {"-f", "junit"}).out, "syscalls.epoll_ctl.count changed"));
}

TEST_CASE("--fail-on changed leaves open what scatters, says what it cannot see, and needs something to look at") {
  Files files;
  Json scattered = result(100);
  scattered["samples"] = {result(100), result(102)};
  const std::string base = files.write("base", result(100));
  const std::vector<std::string> gate = {"--fail-on", "changed"};
  const ToolResult open = run_tool({"compare", base, files.write("two", scattered), gate[0], gate[1], "--json"});
  CHECK(open.exit_code == 0);
  CHECK(Json::parse(open.out)["verdict"] == "inconclusive");

  Json less = result(100);
  less["syscalls"]["epoll_ctl"]["count"] = nullptr;
  const ToolResult lone = run_tool({"compare", base, files.write("less", less), gate[0], gate[1]});
  CHECK(contains(lone.err, "does not judge 1 figure that only one side knows"));

  Json window = result(100);
  window["workload"]["ops"] = nullptr;
  const std::string timed = files.write("timed", window);
  const ToolResult blind = run_tool({"compare", timed, timed, gate[0], gate[1]});
  CHECK(blind.exit_code == 2);
  CHECK(contains(blind.err, "every figure depends on timing"));

  const ToolResult tested = run_tool({"compare", base, base, "--self-test", gate[0], gate[1]});
  CHECK(tested.exit_code == 0);
  CHECK(contains(tested.out, "turns: operations changed"));
}

TEST_CASE("a baseline is kept once, compared with, and replaced only by what passes") {
  Files files;
  const std::string folder = files.dir / "baselines";
  const auto gate = [&](int ctls, std::vector<std::string> more) {
    more.insert(more.begin(), {"compare", "--baseline", folder, files.write("head", result(ctls)), "--json",
                               "--fail-on", "syscalls.epoll_ctl.count > +2%"});
    return run_tool(more);
  };
  const auto base_of = [](const ToolResult& done) {
    const Json document = parse_json(done.out);
    for (const Json& change : document["changes"]) {
      if (change["path"] == "syscalls.epoll_ctl.count") return change["base"].get<int>();
    }
    return -1;
  };
  const ToolResult none = gate(100, {});
  CHECK(none.exit_code == 2);
  CHECK(contains(none.err, "there is no baseline"));
  CHECK(gate(100, {"--update"}).exit_code == 0);
  CHECK(gate(110, {"--update"}).exit_code == 1);
  CHECK(base_of(gate(100, {})) == 100);
  CHECK(gate(90, {"--update"}).exit_code == 0);
  CHECK(base_of(gate(90, {})) == 90);
}

TEST_CASE("what a minor version adds is passed over, a major version is refused by its name") {
  Files files;
  Json newer = result(2);
  newer["schema"] = "netpoll-trace/run/v1.7";
  newer["novelty"] = {{"a", 1}};
  const std::string base = files.write("base", result(2));
  CHECK(run_tool({"compare", base, files.write("minor", newer)}).exit_code == 0);
  newer["schema"] = "netpoll-trace/run/v3";
  const ToolResult refused = run_tool({"compare", base, files.write("major", newer)});
  CHECK(refused.exit_code == 2);
  CHECK(contains(refused.err, "has schema netpoll-trace/run/v3, which this version cannot read: it knows v1"));
}

TEST_CASE("a full disk is an error of every format") {
  Files files;
  const std::string base = files.write("base", result(2));
  for (const char* format : {"table", "json", "csv", "markdown", "junit", "github"}) {
    INFO(format);
    const ToolResult full = run_tool({"compare", base, base, "-f", format, "-o", "/dev/full"});
    CHECK(full.exit_code == 3);
    CHECK(contains(full.err, "No space left"));
  }
}

TEST_CASE("ten thousand samples a side are compared") {
  Files files;
  const auto repeated = [](int offset) {
    Json json = result(2);
    json["samples"] = Json::array();
    for (int i = 0; i < 10'000; ++i) {
      Json sample = result(2, 1000 + (i * 7919) % 1000 + offset);
      sample.erase("schema");
      json["samples"].push_back(sample);
    }
    return json;
  };
  const ToolResult done =
      run_tool({"compare", files.write("base", repeated(0)), files.write("head", repeated(50)), "--json"});
  REQUIRE(done.exit_code == 0);
  const Json json = parse_json(done.out);
  CHECK(json["base"]["runs"] == 10'000);
  CHECK(json["summary"]["timing"]["changed"] == 1);
}

}  // namespace netpoll::test
