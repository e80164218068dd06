// Targets that are not simply a process of ours: of another user, traced, in namespaces, without their file, forged.
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cctype>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <string>

#include "tests/cli/tool.h"
#include "tests/cli/tool_json.h"
#include "tests/probes/goroutines/go/go_server.h"
#include "tests/support/catch.h"
#include "tests/support/skip.h"
#include "tests/support/temp_dir.h"

using netpoll::test::as_nobody;
using netpoll::test::Prey;
using netpoll::test::run_tool;
using netpoll::test::system_go_build;
using netpoll::test::TempDir;
using netpoll::test::ToolResult;

namespace {

constexpr int kCannot = 3;

bool has_go() { return std::filesystem::exists(system_go_build()); }

ToolResult snapshot(pid_t pid, std::vector<std::string> more = {}, netpoll::test::ToolOptions options = {}) {
  std::vector<std::string> arguments = {"snapshot", "-p", std::to_string(pid)};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return run_tool(arguments, std::move(options));
}

// The process that pid started.
pid_t child_of(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/task/" + std::to_string(pid) + "/children");
  pid_t child = -1;
  file >> child;
  return child;
}

bool is_clean(const std::string& text) {
  for (const char c : text) {
    if (std::iscntrl(static_cast<unsigned char>(c)) != 0 && c != '\n' && c != '\t') return false;
  }
  return true;
}

}  // namespace

TEST_CASE("a Go program of another user is refused with the reason") {
  if (!has_go()) NETPOLL_SKIP("no Go program: there is no Go");
  if (geteuid() != 0) NETPOLL_SKIP("only root can become another user");
  Prey server({system_go_build(), "stale"});
  REQUIRE(server.valid());
  const ToolResult refused = snapshot(server.pid(), {}, as_nobody());
  CHECK(refused.exit_code == kCannot);
  CHECK(refused.out.empty());
  CHECK(refused.err.find("read the memory of pid") != std::string::npos);
  CHECK(refused.err.find("hint: ") != std::string::npos);

  // Where others' processes are hidden, there is none.
  const ToolResult hidden = snapshot(server.pid(), {}, as_nobody([] {
                                       return unshare(CLONE_NEWNS) == 0 &&
                                              mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
                                              mount("proc", "/proc", "proc", 0, "hidepid=2") == 0;
                                     }));
  if (hidden.exit_code == 99) NETPOLL_SKIP("no mount namespace may be made here");
  CHECK(hidden.exit_code == kCannot);
  INFO(hidden.err);
  CHECK(hidden.err.find("there is no process") != std::string::npos);
  server.kill();
}

TEST_CASE("a Go program that is traced can be read, but not stopped a second time") {
  if (!has_go()) NETPOLL_SKIP("no Go program: there is no Go");
  Prey server({system_go_build(), "stale"});
  REQUIRE(server.valid());
  if (ptrace(PTRACE_SEIZE, server.pid(), nullptr, nullptr) != 0) NETPOLL_SKIP("ptrace is not allowed here");
  const ToolResult read = snapshot(server.pid());
  CHECK(read.exit_code == 0);
  const ToolResult paused = snapshot(server.pid(), {"--pause"});
  CHECK(paused.exit_code == kCannot);
  CHECK(paused.err.find("trace") != std::string::npos);
  server.kill();
}

TEST_CASE("a Go program in namespaces of its own is read with its addresses") {
  if (!has_go()) NETPOLL_SKIP("no Go program: there is no Go");
  if (geteuid() != 0) NETPOLL_SKIP("namespaces need root");
  Prey server({"/usr/bin/unshare", "--pid", "--mount", "--net", "--fork", "--mount-proc", "--kill-child", "/bin/sh",
               "-c", "ip link set lo up 2>/dev/null; exec " + system_go_build()});
  if (!server.valid()) NETPOLL_SKIP("no namespaces, or no ip(8) to make its loopback ready");
  const pid_t inner = child_of(server.pid());
  REQUIRE(inner > 0);
  const ToolResult read = snapshot(inner, {"--json"});
  CHECK(read.exit_code == 0);
  const auto document = netpoll::test::parse_json(read.out);
  int connections = 0;
  for (const auto& g : document.at("goroutines")) {
    if (g.at("kind") == "tcp" && g.at("tcp_state") == "ESTABLISHED") {
      ++connections;
      CHECK(g.at("peer").is_string());
      CHECK(g.at("peer_process").at("pid") == inner);
    }
  }
  CHECK(connections >= 4);
  ::kill(inner, SIGKILL);
  server.finish();
}

TEST_CASE("a Go program whose file was deleted is read from what runs") {
  if (!has_go()) NETPOLL_SKIP("no Go program: there is no Go");
  const TempDir folder;
  const std::string path = folder / "server";
  std::filesystem::copy_file(system_go_build(), path);
  Prey server({path});
  REQUIRE(server.valid());
  std::filesystem::remove(path);
  const ToolResult read = snapshot(server.pid(), {"--json"});
  CHECK(read.exit_code == 0);
  const auto document = netpoll::test::parse_json(read.out);
  CHECK(document.at("goroutines").size() > 5);
  CHECK_FALSE(document.at("goroutines").at(0).at("stack").empty());
  server.finish();
}

TEST_CASE("what a program calls its labels reaches no terminal as it is") {
  if (!has_go()) NETPOLL_SKIP("no Go program: there is no Go");
  Prey server({system_go_build(), "labels"});
  REQUIRE(server.valid());
  for (const char* format : {"table", "json", "ndjson", "debug2"}) {
    INFO(format);
    const ToolResult read = snapshot(server.pid(), {"--all", "-f", format});
    CHECK(read.exit_code == 0);
    CHECK(is_clean(read.out));
    CHECK(is_clean(read.err));
  }
  server.finish();
}

TEST_CASE("a core with what was saved of its process shows descriptors and peers") {
  if (!has_go()) NETPOLL_SKIP("no Go program: there is no Go");
  if (std::system("command -v gcore >/dev/null") != 0) NETPOLL_SKIP("no gcore: gdb is not installed");
  const TempDir folder;
  Prey server({system_go_build()});
  REQUIRE(server.valid());
  const std::string saved = folder / "saved";
  const std::string pid = std::to_string(server.pid());
  const ToolResult save = snapshot(server.pid(), {"--save-core-context", saved});
  CHECK(save.exit_code == 0);
  CHECK(save.out.empty());
  CHECK(snapshot(server.pid(), {"--save-core-context", saved}).exit_code == 2);
  if (std::system(("gcore -o '" + (folder / "core") + "' " + pid + " >/dev/null 2>&1").c_str()) != 0) {
    NETPOLL_SKIP("gcore may not attach here");
  }
  server.finish();
  const std::string core = folder / "core" + "." + pid;
  const ToolResult read = run_tool({"snapshot", "--core", core, "--fdinfo", saved, "--json"});
  CHECK(read.exit_code == 0);
  const auto document = netpoll::test::parse_json(read.out);
  CHECK(document.at("interest_source") == "fdinfo");
  int with_peer = 0;
  for (const auto& g : document.at("goroutines")) with_peer += g.at("peer").is_string() ? 1 : 0;
  CHECK(with_peer >= 4);
  CHECK(run_tool({"snapshot", "--core", core, "--fdinfo", folder / "missing"}).exit_code == 2);
  CHECK(run_tool({"snapshot", "-p", "1", "--fdinfo", saved}).exit_code == 2);
  CHECK(run_tool({"snapshot", "--core", core, "--save-core-context", saved}).exit_code == 2);
}
