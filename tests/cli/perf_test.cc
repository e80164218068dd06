// Counting by perf events as an ordinary user meets it: learned once by root, then used without privileges.
#include <signal.h>
#include <unistd.h>

#include <cstdlib>

#include "tests/cli/tool.h"
#include "tests/cli/tool_json.h"
#include "tests/support/catch.h"
#include "tests/support/skip.h"

namespace netpoll::test {
namespace {

ToolOptions ordinary_user(const std::string& ids) {
  ToolOptions options = as_nobody();
  options.env = {"NETPOLL_TRACEPOINTS=" + ids};
  return options;
}

}  // namespace

TEST_CASE("what root has learned lets an ordinary user count a command, with null for what is unknown") {
  if (::geteuid() != 0) NETPOLL_SKIP("needs root, to learn and to give it up");
  const TempDir folder;
  const std::string ids = (folder / "deep") + "/tracepoints.json";
  const ToolResult learned = run_tool({"doctor", "--learn"}, {.env = {"NETPOLL_TRACEPOINTS=" + ids}});
  if (learned.exit_code == 3 && learned.err.find("tracefs") != std::string::npos) NETPOLL_SKIP(learned.err);
  INFO(learned.err);
  REQUIRE(learned.exit_code == 0);
  CHECK(learned.err.find(ids) != std::string::npos);

  const ToolResult verdict = run_tool({"doctor", "--json"}, ordinary_user(ids));
  for (const Json& feature : parsed(verdict.out)["machine"]) {
    if (feature["name"] == "perf_counts" && feature["ok"] == false)
      NETPOLL_SKIP(exporters::compact(feature["why_not"]));
  }
  CHECK(parsed(verdict.out)["command_backend"] == "perf");
  CHECK(parsed(verdict.out)["backend"] == "ptrace");

  const std::vector<std::string> command = {"stat", "--json", "-q", "--", "/bin/sh", "-c", "exec 9<&-; exit 3"};
  const ToolResult result = run_tool(command, ordinary_user(ids));
  INFO(result.err);
  CHECK(result.exit_code == 3);
  const Json json = parsed(result.err);
  CHECK(json["probe"]["backend"] == "perf");
  CHECK(json["probe"]["lost"] == 0);
  CHECK(json["exit"]["code"] == 3);
  const Json& read = json["syscalls"]["read"];
  CHECK(read["count"] > 0);
  CHECK(read["errors"].is_object());
  for (const char* unknown : {"total_ns", "window_ns", "returned", "in_flight", "latency_ns", "bytes"}) {
    INFO(unknown);
    CHECK(read[unknown].is_null());
  }
  CHECK(json["syscalls"]["futex"]["errors"].is_null());
  CHECK(json["poll"]["events"].is_null());

  const std::string leaves = "sleep 60 < /dev/null > /dev/null 2>&1 & echo $!";
  const ToolResult left = run_tool({"stat", "--", "/bin/sh", "-c", leaves}, ordinary_user(ids));
  const pid_t pid = std::atoi(left.out.c_str());
  REQUIRE(pid > 0);
  ::kill(pid, SIGKILL);
  INFO(left.err);
  CHECK(left.err.find("\nprocesses that the command started still run, not counted any more") != std::string::npos);

  const ToolResult table = run_tool({"stat", "--", "/bin/sh", "-c", "exit 0"}, ordinary_user(ids));
  INFO(table.err);
  CHECK(table.err.find("counted by perf, nothing lost") != std::string::npos);
  CHECK(table.err.find("mean") == std::string::npos);
}

TEST_CASE("a file of ids that is no good is named, and the next back end counts") {
  if (::geteuid() != 0) NETPOLL_SKIP("root reads the ids from the kernel; needs root, to give it up");
  const TempDir folder;
  const std::string ids = folder / "tracepoints.json";
  write_file(ids, R"({"schema":"netpoll-trace/tracepoints/v1","kernel":{"release":"2.6.32"},"tracepoints":{}})");
  const ToolResult asked = run_tool({"stat", "--backend", "perf", "--", "true"}, ordinary_user(ids));
  INFO(asked.err);
  CHECK(asked.exit_code == 3);
  CHECK(asked.err.find("kernel 2.6.32") != std::string::npos);
  CHECK(asked.err.find("doctor --learn") != std::string::npos);
  const ToolResult chosen = run_tool({"stat", "--", "true"}, ordinary_user(ids));
  INFO(chosen.err);
  CHECK(chosen.exit_code == 0);
  CHECK(chosen.err.find("not used: perf: ") != std::string::npos);
  CHECK(chosen.err.find("counted by ptrace") != std::string::npos);
}

TEST_CASE("only root learns, and perf counts no process that runs already") {
  if (::geteuid() != 0) NETPOLL_SKIP("needs root, to give it up");
  const TempDir folder;
  const ToolResult learned = run_tool({"doctor", "--learn"}, ordinary_user(folder / "ids"));
  INFO(learned.err);
  CHECK(learned.exit_code == 3);
  // Where tracefs is not mounted, root would not learn either.
  const bool mounted = learned.err.find("No such file or directory") == std::string::npos;
  CHECK(learned.err.find(mounted ? "hint: sudo netpoll-trace doctor --learn" : "hint: mount -t tracefs") !=
        std::string::npos);
  const Sleeper sleeper;
  const ToolResult running = run_tool({"stat", "--backend", "perf", "-p", std::to_string(sleeper.pid())});
  if (!works_here("perf_counts")) NETPOLL_SKIP("perf events do not work here");
  INFO(running.err);
  CHECK(running.exit_code == 3);
  CHECK(running.err.find("stat -- CMD") != std::string::npos);
}

}  // namespace netpoll::test
