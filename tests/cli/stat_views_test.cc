// What `stat` makes of its counts: rows as they happen, gates, figures of each thread, process, descriptor and cgroup.
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <future>
#include <map>
#include <sstream>
#include <thread>

#include "tests/cli/tool_json.h"
#include "tests/support/skip.h"

namespace netpoll::test {
namespace {

constexpr const char* kNoEbpf = "doctor: eBPF does not work here";

std::vector<Json> lines_of(const std::string& text) {
  std::vector<Json> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(parsed(line));
  return lines;
}

Json stat_of(std::vector<std::string> options, const std::vector<std::string>& command) {
  options.insert(options.begin(), "stat");
  options.insert(options.end(), {"--json", "-o", "-", "--"});
  options.insert(options.end(), command.begin(), command.end());
  const ToolResult result = run_tool(options);
  INFO(result.err);
  CHECK(result.exit_code == 0);
  // The command's own output comes first.
  return parsed(result.out.substr(result.out.find('{')));
}

std::uint64_t returned_in(const Json& document) {
  std::uint64_t sum = 0;
  for (const auto& [name, row] : document["syscalls"].items()) sum += row.value("returned", 0);
  return sum;
}

// A directory below the root of the hierarchy of cgroups v2, gone at the end of its scope.
struct OwnCgroup {
  OwnCgroup() {
    std::ifstream mounts("/proc/self/mounts");
    for (std::string line; std::getline(mounts, line);) {
      std::istringstream words(line);
      std::string device, point, type;
      words >> device >> point >> type;
      if (type != "cgroup2") continue;
      const std::string wanted = point + "/netpoll-test-" + std::to_string(::getpid());
      if (::mkdir(wanted.c_str(), 0755) != 0) return;
      outer = wanted;
      const std::string inner = wanted + "/docker-" + id + ".scope";
      if (::mkdir(inner.c_str(), 0755) == 0) path = inner;
      return;
    }
  }
  ~OwnCgroup() {
    if (!path.empty()) CHECK(eventually([&] { return ::rmdir(path.c_str()) == 0; }));
    if (!outer.empty()) ::rmdir(outer.c_str());
  }
  std::string id = std::string(52, '0') + "feedfacecafe";
  std::string outer;
  std::string path;
};

}  // namespace

TEST_CASE("stat -i -f ndjson writes a first line, one for each interval as it ends, and a last") {
  if (!can_trace()) NETPOLL_SKIP(kNoBackEnd);
  const Sleeper sleeper;
  Tool tool({"stat", "-p", std::to_string(sleeper.pid()), "-i", "20ms", "-f", "ndjson"});
  REQUIRE(tool.wait_for_output("\"type\":\"interval\"", 3));  // while it goes on
  tool.send(SIGINT);
  const ToolResult result = tool.finish();
  CHECK(result.exit_code == 130);
  const auto lines = lines_of(result.out);
  REQUIRE(lines.size() >= 5);
  CHECK(lines.front()["type"] == "meta");
  CHECK(lines.front()["schema"] == "netpoll-trace/stat/v1");
  CHECK(lines.front()["target"]["pid"] == sleeper.pid());
  for (std::size_t i = 1; i + 1 < lines.size(); ++i) CHECK(lines[i]["type"] == "interval");
  CHECK(lines.back()["type"] == "end");
  CHECK(lines.back()["probe"]["lost"] == 0);
  CHECK(lines.back()["interrupted"] == true);
  CHECK_FALSE(lines.back().contains("intervals"));
}

TEST_CASE("stat --expect is a gate: the result is printed, and the exit status says whether it holds") {
  if (!can_trace()) NETPOLL_SKIP(kNoBackEnd);
  const auto gate = [&](const std::string& expression) {
    return run_tool({"stat", "--expect", expression, "--", "/bin/true"});
  };
  CHECK(gate("syscalls.close.count >= 0").exit_code == 0);
  const ToolResult unmet = gate("syscalls.epoll_wait.count > 5");
  CHECK(unmet.exit_code == 1);
  CHECK(unmet.err.find("not met: syscalls.epoll_wait.count > 5 (it is 0)") != std::string::npos);
  CHECK(unmet.err.find("syscall ") != std::string::npos);
  CHECK(gate("syscalls.no_such_call.count > 5").exit_code == 2);
  CHECK(gate("syscalls.read.count > +5%").exit_code == 2);
  // The command's own failure is the more important answer.
  CHECK(run_tool({"stat", "--expect", "syscalls.epoll_wait.count > 5", "--", "/bin/sh", "-c", "exit 7"}).exit_code ==
        7);
}

TEST_CASE("stat --per divides by the calls of one kind, or by a number") {
  if (!can_trace()) NETPOLL_SKIP(kNoBackEnd);
  const Json by_call = stat_of({"--per", "close"}, {"/bin/true"});
  CHECK(by_call["per"] == "close");
  CHECK(by_call["operations"] == by_call["syscalls"]["close"]["count"]);
  CHECK(by_call["syscalls"]["close"]["per_op"] == 1.0);
  const Json by_number = stat_of({"--per", "10"}, {"/bin/true"});
  CHECK(by_number["operations"] == 10);
  CHECK(by_number["syscalls"]["close"]["per_op"] == Approx(by_number["syscalls"]["close"]["count"].get<double>() / 10));
  const ToolResult wrong = run_tool({"stat", "--per", "acept4", "--", "/bin/true"});
  CHECK(wrong.exit_code == 2);
  CHECK(wrong.err.find("accept4") != std::string::npos);
}

TEST_CASE("SIGUSR1 prints the figures so far, and counting goes on") {
  if (!can_trace()) NETPOLL_SKIP(kNoBackEnd);
  const Sleeper sleeper;
  Tool tool({"stat", "-v", "-p", std::to_string(sleeper.pid())});
  REQUIRE(tool.wait_for_error_text("the probes are attached"));
  for (int i = 0; i < 2; ++i) tool.send(SIGUSR1);
  REQUIRE(tool.wait_for_error_text("counted by "));
  CHECK(::kill(tool.pid(), 0) == 0);
  tool.send(SIGINT);
  const ToolResult result = tool.finish();
  CHECK(result.exit_code == 130);
  CHECK(result.out.find("counted by ") != std::string::npos);
}

TEST_CASE("stat --per-process and --per-thread tell apart what they add up to") {
  if (!works_here("ebpf_counts")) NETPOLL_SKIP(kNoEbpf);
  const std::vector<std::string> command = {"/bin/sh", "-c",
                                            "cat /etc/passwd > /dev/null; cat /etc/passwd > /dev/null; :"};
  for (const std::string flag : {"--per-process", "--per-thread", "--by-cgroup"}) {
    INFO(flag);
    const Json json = stat_of({flag}, command);
    const Json& rows = json["groups"]["rows"];
    CHECK(rows.size() == (flag == "--by-cgroup" ? 1 : 3));
    std::uint64_t sum = 0, reads = 0;
    for (const Json& row : rows) {
      sum += row["count"].get<std::uint64_t>();
      if (row["syscalls"].contains("read")) reads += row["syscalls"]["read"]["count"].get<std::uint64_t>();
    }
    CHECK(sum == returned_in(json));
    CHECK(reads == json["syscalls"]["read"]["returned"]);
    CHECK(json["groups"]["imbalance"].get<double>() >= 0);
  }
  CHECK(run_tool({"stat", "--per-process", "--per-fd", "--", "/bin/true"}).exit_code == 2);
}

TEST_CASE("stat -i tells them apart in each interval, and the intervals add up to the whole") {
  if (!works_here("ebpf_counts")) NETPOLL_SKIP(kNoEbpf);
  const TempDir dir;
  const std::string step = dir / "step";
  REQUIRE(::mkfifo(step.c_str(), 0600) == 0);
  const Fd go(::open(step.c_str(), O_RDWR | O_CLOEXEC));
  const std::string script = "cat /etc/passwd > /dev/null; read line < " + step + "; cat /etc/passwd > /dev/null; :";
  const auto who = [](const Json& row) {
    std::string key;
    for (const char* member : {"pid", "tid", "fd", "inode", "cgroup_id"}) {
      key += row.contains(member) ? exporters::compact(row[member]) + " " : "- ";
    }
    return key;
  };
  for (const std::string flag : {"--per-process", "--per-thread", "--per-fd", "--by-cgroup"}) {
    INFO(flag);
    Tool tool({"stat", flag, "-i", "20ms", "-f", "ndjson", "-o", "-", "--", "/bin/sh", "-c", script});
    // What is after the line is in a later interval than what is before.
    REQUIRE(tool.wait_for_output("\"rows\":[{", 1));
    REQUIRE(::write(go.get(), "\n", 1) == 1);
    const ToolResult result = tool.finish();
    CHECK(result.exit_code == 0);
    const auto lines = lines_of(result.out);
    std::map<std::string, std::uint64_t> calls, sums;
    std::size_t busy = 0;
    for (const Json& line : lines) {
      if (line["type"] != "interval") continue;
      CHECK(line["groups"]["by"] == lines.back()["groups"]["by"]);
      if (!line["groups"]["rows"].empty()) ++busy;
      for (const Json& row : line["groups"]["rows"]) {
        CHECK(row["count"] > 0);
        sums[who(row)] += row["count"].get<std::uint64_t>();
      }
    }
    for (const Json& row : lines.back()["groups"]["rows"]) calls[who(row)] += row["count"].get<std::uint64_t>();
    CHECK(busy >= 2);
    CHECK(sums == calls);
  }
  // A page has the table of each, below the line of its interval.
  const ToolResult page = run_tool({"stat", "--per-process", "-i", "1m", "--", "/bin/cat", "/dev/null"});
  INFO(page.err);
  CHECK(page.err.find("pid  command") < page.err.rfind("pid  command"));
}

TEST_CASE("stat --per-fd names both addresses of a connection") {
  if (!works_here("ebpf_counts")) NETPOLL_SKIP(kNoEbpf);
  Tool server({"run", "echo", "--conns", "3", "--duration", "5m", "--backend", "none"});
  REQUIRE(server.wait_for_error_text("server: pid "));
  const std::string& text = server.error_text();
  const std::string pid = std::to_string(std::atoi(text.c_str() + text.find("server: pid ") + 12));
  std::size_t connections = 0;
  // The three come one after the other.
  const bool all = eventually([&] {
    const Json json = parsed(run_tool({"stat", "-d", "100ms", "--json", "--per-fd", "-p", pid}).out);
    connections = 0;
    for (const Json& row : json["groups"]["rows"]) {
      const auto loopback = [&](const char* side) {
        return row[side].is_string() && row[side].get<std::string>().starts_with("127.0.0.1:");
      };
      if (loopback("local") && loopback("peer") && row["bytes"] > 0) ++connections;
    }
    return connections == 3;
  });
  server.send(SIGINT);
  server.finish();
  INFO(connections);
  CHECK(all);
}

TEST_CASE("processes that enter a cgroup later are counted from then on, by its path and by the container's id") {
  if (!works_here("ebpf_counts")) NETPOLL_SKIP(kNoEbpf);
  const OwnCgroup cgroup;
  if (cgroup.path.empty()) NETPOLL_SKIP("no cgroup v2 may be made here");
  const std::string name = cgroup.outer.substr(cgroup.outer.rfind('/'));
  for (const auto& [flag, value] :
       {std::pair<std::string, std::string>("--cgroup", name), {"--container", cgroup.id}, {"--cgroup", cgroup.path}}) {
    INFO(flag << " " << value);
    Tool tool({"stat", "-v", "--json", "--by-cgroup", flag, value});
    REQUIRE(tool.wait_for_error_text("the probes are attached"));
    const std::string inside =
        "echo $$ > " + cgroup.path + "/cgroup.procs; for i in 1 2 3 4 5; do cat /etc/passwd; done";
    REQUIRE(std::system(("/bin/sh -c '" + inside + "' > /dev/null").c_str()) == 0);
    tool.send(SIGINT);
    const ToolResult result = tool.finish();
    const Json json = parsed(result.out);
    CHECK(json["target"] == nullptr);
    // Each cat opens the file and reads it to its end; the loader reads a header of the library.
    CHECK(json["syscalls"]["read"]["count"].get<int>() >= 15);
    REQUIRE(json["groups"]["rows"].size() == 1);
    CHECK(json["groups"]["rows"][0]["cgroup"].get<std::string>().find(cgroup.id) != std::string::npos);
    CHECK(json["cgroups"].size() == 1);
  }
  CHECK(run_tool({"stat", "--cgroup", "/no/such/cgroup", "-d", "10ms"}).exit_code == 3);
  CHECK(run_tool({"stat", "--container", "xyz", "-d", "10ms"}).exit_code == 2);
  CHECK(run_tool({"stat", "--cgroup", cgroup.path, "--backend", "ptrace", "-d", "10ms"}).exit_code == 3);
}

TEST_CASE("a thread's id is refused with the name of its process") {
  std::promise<void> over;
  std::promise<pid_t> id;
  std::thread other([&] {
    id.set_value(::gettid());
    over.get_future().wait();
  });
  const ToolResult result = run_tool({"stat", "-d", "10ms", "-p", std::to_string(id.get_future().get())});
  over.set_value();
  other.join();
  CHECK(result.exit_code == 2);
  CHECK(result.err.find("is a thread of process " + std::to_string(::getpid())) != std::string::npos);
}

TEST_CASE("the counters of libruntime are unknown, and said to be, where a program has none") {
  const Json json = stat_of({"--backend", "self"}, {"/bin/true"});
  CHECK(json["tracepoints"]["park"].is_null());
  REQUIRE(json["probe"]["notes"].size() == 1);
  CHECK(json["probe"]["notes"][0].get<std::string>().find("no libruntime was seen") == 0);
}

TEST_CASE("each command offers the back ends that it has") {
  const auto hint = [](const std::string& command) {
    const ToolResult result = run_tool({command, "--backend", "abacus", "--", "/bin/true"});
    CHECK(result.exit_code == 2);
    return result.err.substr(result.err.find("hint: "));
  };
  CHECK(hint("stat") == "hint: one of: auto, ebpf, perf, ptrace, self, none\n");
  CHECK(hint("trace") == "hint: one of: auto, ebpf, ptrace, self\n");
  CHECK(run_tool({"stat", "--help"}).out.find("perf, ptrace") != std::string::npos);
}

TEST_CASE("children that were not followed are mentioned") {
  if (!can_trace()) NETPOLL_SKIP(kNoBackEnd);
  const std::vector<std::string> command = {"/bin/sh", "-c",
                                            "cat /etc/passwd > /dev/null; cat /etc/passwd > /dev/null; :"};
  for (const std::vector<std::string>& how : std::vector<std::vector<std::string>>{
           {"--backend", "ebpf"}, {"--backend", "ptrace"}, {"--backend", "ptrace", "--kill-on-exit"}}) {
    INFO(how.back());
    if (!works_here(how[1] == "ebpf" ? "ebpf_counts" : "ptrace")) continue;
    std::vector<std::string> unfollowed = how;
    unfollowed.emplace_back("--no-follow-forks");
    const Json alone = stat_of(unfollowed, command);
    CHECK(exporters::compact(alone["probe"]["notes"]).find("2 child processes were started meanwhile") !=
          std::string::npos);
    CHECK(exporters::compact(stat_of(how, command)["probe"]["notes"]).find("child process") == std::string::npos);
  }
}

}  // namespace netpoll::test
