// `run` as users run it: results, interruptions, and what goes wrong in the middle.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sched.h>

#include "tests/cli/tool_json.h"
#include "tests/support/skip.h"

namespace netpoll::test {
namespace {

// The pid in "server: pid 4711, listening on …".
pid_t server_pid(const Tool& tool) {
  const std::string key = "server: pid ";
  const auto at = tool.error_text().find(key);
  return at == std::string::npos ? -1 : std::stoi(tool.error_text().substr(at + key.size()));
}

bool alive(pid_t pid) {
  const std::string stat = read_file("/proc/" + std::to_string(pid) + "/stat");
  const auto end = stat.rfind(')');
  return end != std::string::npos && stat.substr(end + 2, 1) != "Z";
}

// A listener on a free loopback port.
struct Listener {
  Listener() {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    fd.reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    ::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address);
    ::listen(fd.get(), 1);
    socklen_t size = sizeof address;
    ::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size);
    name = "127.0.0.1:" + std::to_string(ntohs(address.sin_port));
  }
  Fd fd;
  std::string name;
};

bool lower_hard_limit() {
  const rlimit limit{128, 128};
  return ::setrlimit(RLIMIT_NOFILE, &limit) == 0;
}

bool lower_soft_limit() {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = 64;
  return ::setrlimit(RLIMIT_NOFILE, &limit) == 0;
}

bool hide_btf() {
  return ::unshare(CLONE_NEWNS) == 0 && ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
         ::mount("none", "/sys/kernel/btf", "tmpfs", 0, nullptr) == 0;
}

}  // namespace

TEST_CASE("run prints the figures of a workload as JSON") {
  const ToolResult result = run_tool({"run", "echo", "--conns", "4", "--ops", "2000", "--json"});
  INFO(result.err);
  REQUIRE(result.exit_code == 0);
  const Json json = parsed(result.out);
  CHECK(json["schema"] == "netpoll-trace/run/v1");
  CHECK(json["operations"] == 2000);
  CHECK(json["interrupted"] == false);
  CHECK(json["workload"]["conns"] == 4);
  CHECK(json["target"]["kind"] == "libruntime");
  CHECK(json["latency_ns"]["p50"] > 0);
  CHECK(json["latency_ns"]["p50"] <= json["latency_ns"]["max"]);
  CHECK(json["syscalls"]["recvfrom"]["count"] >= 2000);
  CHECK(json["syscalls"]["sendto"]["per_op"] == 1.0);
  CHECK(json["tracepoints"]["go_create"]["count"] >= 4);
  CHECK(json["server"]["mismatches"] == 0);
  CHECK(json["probe"]["lost"] == 0);
}

TEST_CASE("run prints a table unless told") {
  const ToolResult result = run_tool({"run", "echo", "--conns", "2", "--ops", "500"});
  INFO(result.err);
  REQUIRE(result.exit_code == 0);
  CHECK(result.out.find("echo: 500 operations, 2 connections in ") == 0);
  CHECK(result.out.find("\nsyscall ") != std::string::npos);
  CHECK(result.out.find("\ntracepoint ") != std::string::npos);
  CHECK(result.out.find('\033') == std::string::npos);
  const ToolResult colored = run_tool({"run", "echo", "--conns", "2", "--ops", "500", "--color", "always"});
  CHECK(colored.out.find('\033') != std::string::npos);
}

TEST_CASE("both back ends count the registrations of the same work alike") {
  if (!works_here("ebpf_counts") || !works_here("ptrace")) NETPOLL_SKIP("doctor: only one back end works here");
  std::vector<std::uint64_t> adds;
  for (const char* backend : {"ebpf", "ptrace"}) {
    const ToolResult result = run_tool({"run", "echo", "--conns", "3", "--ops", "300", "--json", "--backend", backend});
    INFO(result.err);
    REQUIRE(result.exit_code == 0);
    const Json json = parsed(result.out);
    CHECK(json["probe"]["backend"] == backend);
    CHECK(json["tracepoints"]["park"]["count"] > 0);
    adds.push_back(json["syscalls"]["epoll_ctl"]["ops"]["add"]);
  }
  CHECK(adds[0] == adds[1]);
}

TEST_CASE("without a probe there are the runtime's own counters, or nothing") {
  const Json self =
      parsed(run_tool({"run", "echo", "--ops", "100", "--conns", "1", "--backend", "self", "--json"}).out);
  CHECK(self["syscalls"].is_null());
  CHECK(self["tracepoints"]["park"]["count"] > 0);
  const Json none =
      parsed(run_tool({"run", "echo", "--ops", "100", "--conns", "1", "--backend", "none", "--json"}).out);
  CHECK(none["operations"] == 100);
  CHECK(none["tracepoints"]["park"].is_null());
}

TEST_CASE("an expectation decides the exit status") {
  const std::vector<std::string> echo = {"run", "echo", "--ops", "100", "--conns", "1", "--backend", "none"};
  const auto expect = [&](const std::string& condition) {
    auto arguments = echo;
    arguments.insert(arguments.end(), {"--expect", condition});
    return run_tool(arguments);
  };
  CHECK(expect("operations == 100").exit_code == 0);
  const ToolResult unmet = expect("operations > 100");
  CHECK(unmet.exit_code == 1);
  CHECK(unmet.err.find("not met: operations > 100 (it is 100)") != std::string::npos);
  CHECK(unmet.out.find("echo: 100 operations") == 0);
  CHECK(expect("operatoins > 100").exit_code == 2);
}

TEST_CASE("-o holds the result alone and leaves nothing beside it") {
  TempDir dir;
  const ToolResult result =
      run_tool({"run", "echo", "--ops", "100", "--conns", "1", "--json", "-o", dir / "r.json", "--backend", "none"});
  CHECK(result.exit_code == 0);
  CHECK(result.out.empty());
  CHECK(parsed(read_file(dir / "r.json"))["operations"] == 100);
  CHECK(dir.names() == std::vector<std::string>{"r.json"});
}

TEST_CASE("--save keeps the JSON beside the table") {
  TempDir dir;
  const ToolResult result =
      run_tool({"run", "echo", "--ops", "100", "--conns", "1", "--backend", "none", "--save", dir / "r.json"});
  CHECK(result.exit_code == 0);
  CHECK(result.out.find("echo: 100 operations, 1 connection") == 0);
  CHECK(parsed(read_file(dir / "r.json"))["operations"] == 100);
  CHECK(dir.names() == std::vector<std::string>{"r.json"});
}

TEST_CASE("a result that cannot be saved is refused before the work begins") {
  TempDir dir;
  const ToolResult result =
      run_tool({"run", "echo", "--ops", "100", "--conns", "1", "--backend", "none", "--save", dir / "no/r.json"});
  CHECK(result.exit_code == 3);
  CHECK(result.out.empty());
  CHECK(result.err.find("no/r.json: No such file or directory") != std::string::npos);
  CHECK(dir.names().empty());
}

TEST_CASE("a port in use is named") {
  Listener taken;
  Tool tool({"run", "echo", "--listen", taken.name});
  const ToolResult result = tool.finish();
  INFO(result.err);
  CHECK(result.exit_code == 3);
  CHECK(result.out.empty());
  CHECK(result.err.find(taken.name) != std::string::npos);
  CHECK(result.err.find("Address already in use") != std::string::npos);
  CHECK(result.err.find("hint: ") != std::string::npos);
  CHECK(tool.leaves_no_process());
}

TEST_CASE("an address that cannot be understood is a mistake of the command line") {
  const ToolResult result = run_tool({"run", "echo", "--listen", "localhost"});
  INFO(result.err);
  CHECK(result.exit_code == 2);
  CHECK(result.err.find("localhost") != std::string::npos);
}

TEST_CASE("the limit of open files is raised where that is allowed") {
  const ToolResult result = run_tool({"run", "echo", "--conns", "200", "--ops", "400", "--json", "--backend", "none"},
                                     {.before_exec = lower_soft_limit});
  INFO(result.err);
  REQUIRE(result.exit_code == 0);
  CHECK(parsed(result.out)["operations"] == 400);
}

TEST_CASE("more connections than open files are allowed names the number") {
  if (::geteuid() != 0) NETPOLL_SKIP("needs root, to give it up with a low hard limit");
  Tool tool({"run", "echo", "--conns", "5000"}, as_nobody(lower_hard_limit));
  const ToolResult result = tool.finish();
  INFO(result.err);
  CHECK(result.exit_code == 3);
  CHECK(result.err.find("open files") != std::string::npos);
  CHECK(result.err.find("128") != std::string::npos);
  CHECK(result.err.find("hint: ") != std::string::npos);
  CHECK(tool.leaves_no_process());
}

TEST_CASE("an ordinary user gets counts by ptrace, and is told so") {
  if (::geteuid() != 0) NETPOLL_SKIP("the other tests of this file run as an ordinary user already");
  ToolOptions ordinary = as_nobody();
  ordinary.env = {"NETPOLL_TRACEPOINTS=/nowhere"};  // whatever root has learned here
  const ToolResult result = run_tool({"run", "echo", "--conns", "2", "--ops", "200", "--json"}, ordinary);
  INFO(result.err);
  REQUIRE(result.exit_code == 0);
  const Json json = parsed(result.out);
  CHECK(json["probe"]["backend"] == "ptrace");
  CHECK(json["probe"]["passed_over"].size() == 2);
  CHECK(json["syscalls"]["epoll_ctl"]["ops"]["add"] > 0);
  CHECK(json["tracepoints"]["park"]["count"] > 0);
  CHECK(result.err.find("ebpf") != std::string::npos);
}

TEST_CASE("asked for eBPF without privileges, the tool says what is missing") {
  if (::geteuid() != 0) NETPOLL_SKIP("needs root, to give it up");
  Tool tool({"run", "echo", "--backend", "ebpf"}, as_nobody());
  const ToolResult result = tool.finish();
  INFO(result.err);
  CHECK(result.exit_code == 3);
  CHECK(result.out.empty());
  CHECK(result.err.find("error: ") != std::string::npos);
  CHECK(result.err.find("hint: ") != std::string::npos);
  CHECK(tool.leaves_no_process());
}

TEST_CASE("a kernel without BTF falls back to what needs none, or says so") {
  if (::geteuid() != 0) NETPOLL_SKIP("needs root, to hide /sys/kernel/btf");
  const ToolResult asked = run_tool({"run", "echo", "--backend", "ebpf"}, {.before_exec = hide_btf});
  if (asked.exit_code == 99) NETPOLL_SKIP("mount namespaces are not allowed here");
  INFO(asked.err);
  CHECK(asked.exit_code == 3);
  CHECK(asked.err.find("BTF") != std::string::npos);
  CHECK(asked.err.find("hint: ") != std::string::npos);
  const ToolResult automatic =
      run_tool({"run", "echo", "--conns", "1", "--ops", "100", "--json"}, {.before_exec = hide_btf});
  INFO(automatic.err);
  REQUIRE(automatic.exit_code == 0);
  const std::string backend = parsed(automatic.out)["probe"]["backend"];
  CHECK((backend == "perf" || backend == "ptrace"));
}

TEST_CASE("Ctrl-C during a run prints the result so far") {
  BpfWatch bpf;
  Tool tool({"run", "idle", "--conns", "10", "--duration", "5m", "--json"});
  REQUIRE(tool.wait_for_error_text("server: pid "));
  const pid_t server = server_pid(tool);
  CHECK(alive(server));
  tool.send(SIGINT);
  const ToolResult result = tool.finish();
  INFO(result.err);
  CHECK(result.exit_code == 130);
  const Json json = parsed(result.out);
  CHECK(json["interrupted"] == true);
  CHECK(json["target"]["pid"] == server);
  CHECK_FALSE(alive(server));
  CHECK(tool.leaves_no_process());
  if (bpf.usable()) CHECK(bpf.nothing_left());
}

TEST_CASE("SIGTERM does the same with its own exit status") {
  TempDir dir;
  Tool tool({"run", "idle", "--conns", "2", "--duration", "5m", "--json", "-o", dir / "r.json"});
  REQUIRE(tool.wait_for_error_text("server: pid "));
  tool.send(SIGTERM);
  CHECK(tool.finish().exit_code == 143);
  CHECK(parsed(read_file(dir / "r.json"))["interrupted"] == true);
  CHECK(dir.names() == std::vector<std::string>{"r.json"});
}

TEST_CASE("SIGKILL of the tool takes its children, its BPF programs and its half file along") {
  BpfWatch bpf;
  TempDir dir;
  Tool tool({"run", "idle", "--conns", "10", "--duration", "5m", "--json", "-o", dir / "r.json"});
  REQUIRE(tool.wait_for_error_text("server: pid "));
  const pid_t server = server_pid(tool);
  tool.send(SIGKILL);
  CHECK(tool.finish().signal == SIGKILL);
  CHECK(eventually([&] { return !alive(server); }));
  CHECK(tool.leaves_no_process());
  CHECK(dir.names().empty());
  if (bpf.usable()) CHECK(bpf.nothing_left());
}

TEST_CASE("a server that dies in the middle ends the run with its signal") {
  Tool tool({"run", "idle", "--conns", "10", "--duration", "5m", "--json"});
  REQUIRE(tool.wait_for_error_text("server: pid "));
  ::kill(server_pid(tool), SIGKILL);
  const ToolResult result = tool.finish();
  INFO(result.err);
  CHECK(result.exit_code == 3);
  CHECK(result.out.empty());
  CHECK(result.err.find("the server was killed by Killed") != std::string::npos);
  CHECK(tool.leaves_no_process());
}

TEST_CASE("--serve waits for another client and prints its result when interrupted") {
  Tool tool({"run", "echo", "--serve", "127.0.0.1:0", "--json"});
  REQUIRE(tool.wait_for_error_text("listening on 127.0.0.1:"));
  const std::string key = "listening on 127.0.0.1:";
  const int port = std::stoi(tool.error_text().substr(tool.error_text().find(key) + key.size()));
  Fd client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  REQUIRE(::connect(client.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  REQUIRE(::write(client.get(), "hello", 5) == 5);
  char answer[5];
  REQUIRE(::read(client.get(), answer, sizeof answer) == 5);
  client.reset();
  tool.send(SIGINT);
  const ToolResult result = tool.finish();
  INFO(result.err);
  CHECK(result.exit_code == 130);
  CHECK(parsed(result.out)["server"]["connections"] == 1);
}

TEST_CASE("the heading of --serve counts the connections that came, not those of a load that never ran") {
  Tool tool({"run", "echo", "--serve", "127.0.0.1:0", "--procs", "1"});
  REQUIRE(tool.wait_for_error_text("listening on 127.0.0.1:"));
  tool.send(SIGINT);
  const ToolResult result = tool.finish();
  INFO(result.err);
  CHECK(result.exit_code == 130);
  CHECK(result.out.find("echo: 0 operations, 0 connections in ") == 0);
  CHECK(result.out.find(", 1 P; ") != std::string::npos);
}

TEST_CASE("a standard output that closes early is an error and no crash") {
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  ::close(ends[0]);
  Tool tool({"run", "echo", "--ops", "100", "--conns", "1", "--backend", "none"}, {.out_fd = ends[1]});
  ::close(ends[1]);
  const ToolResult result = tool.finish();
  CHECK(result.exit_code == 3);
  CHECK(result.signal == 0);
  CHECK(result.err.find("cannot write to standard output: Broken pipe") != std::string::npos);
  CHECK(tool.leaves_no_process());
}

TEST_CASE("a full disk leaves neither half a file nor a process") {
  if (::geteuid() != 0) NETPOLL_SKIP("needs root, to mount a small file system");
  TempDir dir;
  const std::string path = dir.path();
  Tool tool({"run", "echo", "--ops", "100", "--conns", "1", "--json", "--backend", "none", "-o", path + "/r.json"},
            {.before_exec = [path] {
              if (::unshare(CLONE_NEWNS) != 0 || ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
                  ::mount("none", path.c_str(), "tmpfs", 0, "size=4k,nr_inodes=8") != 0) {
                return false;
              }
              const Fd filler(::open((path + "/filler").c_str(), O_WRONLY | O_CREAT, 0600));
              return ::write(filler.get(), std::string(4096, 'x').data(), 4096) == 4096;
            }});
  const ToolResult result = tool.finish();
  if (result.exit_code == 99) NETPOLL_SKIP("mount namespaces are not allowed here");
  INFO(result.err);
  CHECK(result.exit_code == 3);
  CHECK(result.err.find("No space left on device") != std::string::npos);
  CHECK(result.err.find("hint: ") != std::string::npos);
  CHECK(tool.leaves_no_process());
}

}  // namespace netpoll::test
