// `stat` and `snapshot` of live processes and of commands.
#include <signal.h>
#include <unistd.h>

#include "tests/cli/tool_json.h"
#include "tests/support/skip.h"

namespace netpoll::test {
namespace {

// An idle libruntime server with ten connections.
struct IdleServer {
  IdleServer() : tool({"run", "idle", "--conns", "10", "--duration", "5m", "--backend", "none"}) {
    REQUIRE(tool.wait_for_error_text("server: pid "));
    const std::string key = "server: pid ";
    pid = tool.error_text().substr(tool.error_text().find(key) + key.size());
    pid = pid.substr(0, pid.find(','));
  }
  ~IdleServer() {
    tool.send(SIGINT);
    tool.finish();
  }
  Tool tool;
  std::string pid;
};

}  // namespace

TEST_CASE("snapshot shows the goroutines in IO wait of a live server") {
  IdleServer server;
  Json json;
  // The connections arrive one after the other.
  const bool all = eventually([&] {
    const ToolResult result = run_tool({"snapshot", "-p", server.pid, "--json"});
    if (result.exit_code != 0) return false;
    json = parse_json(result.out);
    return json["goroutines"].size() == 11;  // ten connections and the listener
  });
  INFO(exporters::to_document(json));
  REQUIRE(all);
  CHECK(json["schema"] == "netpoll-trace/snapshot/v1");
  CHECK(json["target"]["pid"] == std::stoi(server.pid));
  CHECK(json["target"]["kind"] == "libruntime");
  CHECK(json["consistent"] == true);
  std::size_t established = 0;
  for (const Json& goroutine : json["goroutines"]) {
    CHECK(goroutine["wait_reason"] == "IO wait");
    CHECK(goroutine["fd"].is_number());
    CHECK(goroutine["mode"] == "read");
    if (goroutine["tcp_state"] == "ESTABLISHED") {
      ++established;
      CHECK(goroutine["peer"].get<std::string>().find("127.0.0.1:") == 0);
    }
  }
  CHECK(established == 10);

  const std::string fd = exporters::compact(json["goroutines"].back()["fd"]);
  CHECK(parsed(run_tool({"snapshot", "-p", server.pid, "--json", "--fd", fd}).out)["goroutines"].size() == 1);
  CHECK(parsed(run_tool({"snapshot", "-p", server.pid, "--json", "--min-wait", "10h"}).out)["goroutines"].empty());
  CHECK(parsed(run_tool({"snapshot", "-p", server.pid, "--json", "--all"}).out)["goroutines"].size() >= 11);
  const ToolResult table = run_tool({"snapshot", "-p", server.pid});
  CHECK(table.out.find("IO wait") != std::string::npos);
  CHECK(table.out.find("ESTABLISHED") != std::string::npos);
}

TEST_CASE("snapshots of a live server in every format and view") {
  IdleServer server;
  const auto snapshot = [&](std::vector<std::string> more) {
    std::vector<std::string> args = {"snapshot", "-p", server.pid};
    args.insert(args.end(), more.begin(), more.end());
    return run_tool(args);
  };
  REQUIRE(eventually([&] { return parsed(snapshot({"--json"}).out)["goroutines"].size() == 11; }));
  const auto lines_of = [](const std::string& text, const std::string& part) {
    std::size_t count = 0;
    for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
    return count;
  };
  CHECK(lines_of(snapshot({"-f", "debug2"}).out, " [IO wait]:\n") == 11);
  CHECK(snapshot({"-f", "debug1"}).out.find("goroutine profile: total 11\n") == 0);
  CHECK(lines_of(snapshot({"-f", "folded"}).out, ";[IO wait] ") >= 1);
  CHECK(lines_of(snapshot({"-f", "ndjson"}).out, "\"type\":\"goroutine\"") == 11);
  CHECK(snapshot({"--state", "LISTEN", "-f", "debug1"}).out.find("goroutine profile: total 1\n") == 0);
  CHECK(snapshot({"--summary"}).out.find("stack, innermost first") != std::string::npos);
  CHECK(snapshot({"--group-by", "state"}).out.find("ESTABLISHED") != std::string::npos);
  // The load generator holds the other ends.
  for (const Json& goroutine : parsed(snapshot({"--json", "--state", "ESTABLISHED"}).out)["goroutines"]) {
    CHECK(goroutine["peer_process"]["fd"].is_number());
    CHECK(goroutine["peer_process"]["pid"] != std::stoi(server.pid));
    CHECK(goroutine["recv_queue_bytes"] == 0);
  }
  CHECK(snapshot({"--json", "--watch", "1s"}).exit_code == 2);
  CHECK(snapshot({"--tree", "--summary"}).exit_code == 2);
  CHECK(snapshot({"--group-by", "nonsense"}).exit_code == 2);
  CHECK(snapshot({"--redact", "nonsense"}).exit_code == 2);
  CHECK(snapshot({"--diff", "/nonexistent"}).exit_code == 2);
  CHECK(snapshot({"-f", "nonsense"}).exit_code == 2);
}

TEST_CASE("a watched server is shown again and again, until it is gone") {
  auto server = std::make_unique<IdleServer>();
  Tool tool({"snapshot", "-p", server->pid, "--watch", "10ms", "-f", "ndjson"});
  REQUIRE(tool.wait_for_output("\"type\":\"end\"", 3));
  server.reset();
  CHECK(tool.finish().exit_code == 0);
}

TEST_CASE("stat counts a running process for a while and leaves it alone") {
  if (!can_trace()) NETPOLL_SKIP(kNoBackEnd);
  BpfWatch bpf;
  IdleServer server;
  const ToolResult result = run_tool({"stat", "-p", server.pid, "-d", "300ms", "--json"});
  INFO(result.err);
  REQUIRE(result.exit_code == 0);
  const Json json = parsed(result.out);
  CHECK(json["schema"] == "netpoll-trace/stat/v1");
  CHECK(json["target"]["kind"] == "libruntime");
  CHECK(json["operations"].is_null());
  CHECK(json["duration_ns"] >= 300'000'000);
  CHECK(json["syscalls"]["epoll_ctl"]["count"].is_number());
  CHECK(json["target_ended"] == false);
  CHECK(json["exit"].is_null());
  CHECK(run_tool({"snapshot", "-p", server.pid}).exit_code == 0);
  if (bpf.usable()) CHECK(bpf.nothing_left());
}

TEST_CASE("stat of a process that dies in the middle prints what it has") {
  if (!can_trace()) NETPOLL_SKIP(kNoBackEnd);
  Sleeper sleeper;
  Tool tool({"stat", "-p", std::to_string(sleeper.pid()), "-d", "5m", "-v", "--json"});
  // A target that ends before is a refusal, which is another test.
  REQUIRE(tool.wait_for_error_text("the probes are attached"));
  sleeper.kill();
  const ToolResult result = tool.finish();
  INFO(result.err);
  CHECK(result.exit_code == 3);
  CHECK(result.err.find("error: ") != std::string::npos);
  CHECK(result.err.find("hint: ") != std::string::npos);
  CHECK(tool.leaves_no_process());
}

TEST_CASE("stat of a command counts it whole and passes its exit status on") {
  if (!can_trace()) NETPOLL_SKIP(kNoBackEnd);
  const ToolResult result = run_tool({"stat", "-q", "--json", "--", "/bin/sh", "-c", "echo out; exit 7"});
  INFO(result.err);
  CHECK(result.exit_code == 7);
  // Standard output is the command's own.
  CHECK(result.out == "out\n");
  const Json json = parsed(result.err);
  CHECK(json["exit"] == Json({{"code", 7}, {"signal", nullptr}}));
  CHECK(json["command"] == Json({"/bin/sh", "-c", "echo out; exit 7"}));
  CHECK(json["syscalls"]["write"]["count"] == 1);
  CHECK(json["target_ended"] == true);
}

TEST_CASE("a process that a command leaves running is said to be counted no more") {
  if (!can_trace()) NETPOLL_SKIP(kNoBackEnd);
  TempDir dir;
  const ToolResult result = run_tool(
      {"stat", "--json", "-o", dir / "r.json", "--", "/bin/sh", "-c", "sleep 60 </dev/null >/dev/null 2>&1 & echo $!"});
  const pid_t left = std::atoi(result.out.c_str());
  REQUIRE(left > 0);
  ::kill(left, SIGKILL);
  const Json notes = parsed(read_file(dir / "r.json"))["probe"]["notes"];
  INFO(exporters::compact(notes));
  REQUIRE(notes.size() == 1);
  CHECK(notes[0].get<std::string>().starts_with("1 process that the command started still runs"));
}

TEST_CASE("a command that a signal ended is 128 and the signal") {
  if (!can_trace()) NETPOLL_SKIP(kNoBackEnd);
  const ToolResult result = run_tool({"stat", "--json", "-o", "-", "--", "/bin/sh", "-c", "kill -TERM $$"});
  CHECK(result.exit_code == 128 + SIGTERM);
  CHECK(parsed(result.out)["exit"] == Json({{"code", nullptr}, {"signal", SIGTERM}}));
}

TEST_CASE("repeated measurements are samples, and the figures their medians with a spread") {
  if (!can_trace()) NETPOLL_SKIP(kNoBackEnd);
  const ToolResult result =
      run_tool({"stat", "-r", "3", "--json", "-o", "-", "--", "/bin/sh", "-c", "echo a >/dev/null"});
  REQUIRE(result.exit_code == 0);
  const Json json = parsed(result.out);
  REQUIRE(json["samples"].size() == 3);
  for (const Json& sample : json["samples"]) CHECK(sample["syscalls"]["write"]["count"] == 1);
  CHECK(json["spread"]["syscalls"]["write"]["count"] == Json({{"min", 1}, {"max", 1}}));
  CHECK(json["spread"]["duration_ns"]["min"] <= json["duration_ns"]);
  CHECK(json["duration_ns"] <= json["spread"]["duration_ns"]["max"]);
  CHECK(json["syscalls"]["write"]["count"] == 1);
}

TEST_CASE("intervals are reported as they pass and add up") {
  if (!can_trace()) NETPOLL_SKIP(kNoBackEnd);
  Sleeper sleeper;
  const std::string pid = std::to_string(sleeper.pid());
  const ToolResult result = run_tool({"stat", "-p", pid, "-d", "300ms", "-i", "100ms", "--json"});
  REQUIRE(result.exit_code == 0);
  const Json json = parsed(result.out);
  REQUIRE_FALSE(json["intervals"].empty());
  std::uint64_t end = 0;
  for (const Json& interval : json["intervals"]) {
    CHECK(interval["start_ns"] == end);
    end += interval["duration_ns"].get<std::uint64_t>();
  }
  CHECK(end <= json["duration_ns"].get<std::uint64_t>());
}

TEST_CASE("-e narrows what is shown") {
  if (!can_trace()) NETPOLL_SKIP(kNoBackEnd);
  const ToolResult result = run_tool({"stat", "-e", "epoll", "--json", "-o", "-", "--", "true"});
  const Json json = parsed(result.out);
  CHECK(json["syscalls"].contains("epoll_ctl"));
  CHECK_FALSE(json["syscalls"].contains("read"));
  CHECK(json["tracepoints"].empty());
}

TEST_CASE("Ctrl-C ends an open measurement and prints it") {
  if (!can_trace()) NETPOLL_SKIP(kNoBackEnd);
  Sleeper sleeper;
  Tool tool({"stat", "-p", std::to_string(sleeper.pid()), "--json", "-v"});
  REQUIRE(tool.wait_for_error_text("the probes are attached"));
  tool.send(SIGINT);
  const ToolResult result = tool.finish();
  INFO(result.err);
  CHECK(result.exit_code == 130);
  CHECK(parsed(result.out)["interrupted"] == true);
}

TEST_CASE("a signal reaches the command, which is waited for") {
  if (!can_trace()) NETPOLL_SKIP(kNoBackEnd);
  TempDir dir;
  Tool tool({"stat", "--json", "-o", dir / "r.json", "--", "/bin/sh", "-c",
             "trap 'echo bye >&2; exit 5' TERM; echo ready >&2; while :; do sleep 0.05; done"});
  REQUIRE(tool.wait_for_error_text("ready"));
  tool.send(SIGTERM);
  const ToolResult result = tool.finish();
  INFO(result.err);
  CHECK(result.exit_code == 143);
  CHECK(result.err.find("bye") != std::string::npos);
  CHECK(parsed(read_file(dir / "r.json"))["exit"]["code"] == 5);
  CHECK(tool.leaves_no_process());
}

}  // namespace netpoll::test
