// The system calls of the echo server are exact. The witness is strace, which knows nothing of this project.
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "cli/workload/workload.h"
#include "tests/cli/workload/child_thread.h"
#include "tests/support/catch.h"
#include "tests/support/procs.h"
#include "tests/support/skip.h"

extern char** environ;

using namespace netpoll::workload;
using netpoll::test::ChildThread;
using netpoll::test::listen_to_load;

namespace {

struct Counts {
  std::map<std::string, std::uint64_t> calls;
  std::map<std::string, std::uint64_t> errors;
  std::map<std::string, std::uint64_t> ctl;  // epoll_ctl by operation
};

// A line of `strace -f`: "1234 recvfrom(5, ..., 4096, 0, NULL, NULL) = 64" or "... = -1 EAGAIN (...)"; one that another
// thread interrupted is continued by "1234 <... recvfrom resumed>...) = 64".
Counts parse(const std::string& path) {
  Counts counts;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    const std::size_t begin = line.find_first_not_of("0123456789 ");
    if (begin == std::string::npos) continue;
    std::string call;
    if (line.compare(begin, 5, "<... ") == 0) {
      call = line.substr(begin + 5, line.find(' ', begin + 5) - begin - 5);
    } else {
      const std::size_t open = line.find('(', begin);
      if (open == std::string::npos) continue;  // a signal or an exit
      call = line.substr(begin, open - begin);
      ++counts.calls[call];
      if (const std::size_t op = line.find("EPOLL_CTL_"); op != std::string::npos)
        ++counts.ctl[line.substr(op + 10, 3)];
    }
    if (line.find(") = -1 ") != std::string::npos) ++counts.errors[call];
  }
  return counts;
}

std::string run_strace(std::vector<std::string> args, const std::vector<int>& fds, pid_t& pid) {
  std::vector<char*> argv;
  for (std::string& arg : args) argv.push_back(arg.data());
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  for (const int fd : fds) posix_spawn_file_actions_adddup2(&actions, fd, fd);  // clears close-on-exec
  const int error = posix_spawnp(&pid, argv[0], &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  return error == 0 ? "" : "strace cannot be started";
}

// Whether strace works here; the reason if not.
std::string strace_missing() {
  pid_t pid = 0;
  const std::string out = "/tmp/netpoll-counts-probe-" + std::to_string(getpid());
  std::string reason = run_strace({"strace", "-f", "-o", out, "/bin/true"}, {}, pid);
  if (reason.empty()) {
    int status = 0;
    waitpid(pid, &status, 0);
    if (status != 0) reason = "strace is not installed or may not trace here";
  }
  unlink(out.c_str());
  return reason;
}

// Serves a load under strace. Nothing when server or load failed.
std::optional<Counts> count(const Plan& plan) {
  const std::string out = "/tmp/netpoll-counts-" + std::to_string(getpid());
  auto link = make_link();
  if (!link) return std::nullopt;
  std::vector<std::string> args = {
      "strace",
      "-E",
      "ASAN_OPTIONS=detect_leaks=0",  // LeakSanitizer does not work under a tracer
      "-f",
      "-qq",
      "-o",
      out,
      "-e",
      "trace=read,write,recvfrom,sendto,accept4,epoll_create1,epoll_ctl,epoll_wait,epoll_pwait,epoll_pwait2,close",
      NETPOLL_WORKLOAD_CHILD};
  const auto serve = serve_args(plan, link->child_control.get(), link->child_report.get());
  args.insert(args.end(), serve.begin(), serve.end());
  pid_t pid = 0;
  if (!run_strace(args, {link->child_control.get(), link->child_report.get()}, pid).empty()) return std::nullopt;
  link->child_control.reset();
  link->child_report.reset();

  fcntl(link->report.get(), F_SETFL, 0);  // this reader may wait
  std::optional<Counts> counts;
  std::vector<std::string> addresses;
  for (std::string text; text.find('\n') == std::string::npos;) {
    char byte;
    if (read(link->report.get(), &byte, 1) != 1) break;
    text += byte;
    if (byte != '\n') continue;
    const auto message = parse_server_line(text);
    if (message && *message && std::holds_alternative<Listening>(**message)) {
      addresses = std::get<Listening>(**message).addresses;
    }
  }
  bool served = false;
  if (!addresses.empty()) {
    ChildThread load(load_main, {.plan = plan, .addresses = addresses, .patience = std::chrono::minutes(2)});
    served = listen_to_load(load).result.has_value();
  }
  link->control.reset();
  int status = 0;
  waitpid(pid, &status, 0);
  if (served && status == 0) counts = parse(out);
  unlink(out.c_str());
  return counts;
}

}  // namespace

TEST_CASE("echo costs one recvfrom and one sendto per message, whoever polls", "[counts]") {
  if (const std::string reason = strace_missing(); !reason.empty()) NETPOLL_SKIP(reason);
  constexpr std::uint64_t kConns = 9;
  constexpr std::uint64_t kOps = 300;
  for (const char* mode : {"thread", "inline", "hybrid"}) {
    for (const char* trigger : {"oneshot", "edge", "level"}) {
      Request r;
      r.workload = "echo";
      r.conns = kConns;
      r.ops = kOps;
      r.procs = netpoll::test::procs();
      r.poll_mode = mode;
      r.trigger = trigger;
      auto counts = count(*make_plan(r));
      INFO(mode << " " << trigger);
      REQUIRE(counts.has_value());
      CHECK(counts->calls["sendto"] == kOps);
      CHECK(counts->calls["recvfrom"] - counts->errors["recvfrom"] == kOps + kConns);
      // A level-triggered event is there for everybody who polls until the first of them has disarmed it: the second
      // one wakes a goroutine for nothing. With one thread that polls that cannot be.
      const bool several_pollers = std::string(mode) != "thread";
      if (std::string(trigger) != "level" || !several_pollers) CHECK(counts->errors["recvfrom"] == 0);
      CHECK(counts->errors["sendto"] == 0);
      CHECK(counts->calls["epoll_create1"] == 1);
      CHECK(counts->errors["epoll_ctl"] == 0);
      CHECK(counts->ctl["ADD"] == kConns + 2);
      // A level-triggered registration goes before its descriptor: Netpoll::close. The listener has one, too.
      CHECK(counts->ctl["DEL"] == (std::string(trigger) == "level" ? kConns + 1 : 0));
      const std::uint64_t empty = counts->errors["accept4"];
      const std::uint64_t waits = kOps + kConns + 1 + empty + counts->errors["recvfrom"];
      // The end of the run interrupts the last wait for a connection, in an accept4 that was never made.
      CHECK(counts->calls["accept4"] == kConns + empty);
      if (std::string(trigger) == "edge") CHECK(counts->ctl["MOD"] == 0);
      if (std::string(trigger) == "oneshot") CHECK(counts->ctl["MOD"] == waits);
      if (std::string(trigger) == "level") {
        CHECK(counts->ctl["MOD"] >= waits / 2);
        // A goroutine that was woken for nothing waits, and arms and is disarmed, once more.
        CHECK(counts->ctl["MOD"] <= 2 * (waits + counts->errors["recvfrom"]));
      }
    }
  }
}

TEST_CASE("with one connection each message costs one wait", "[counts]") {
  if (const std::string reason = strace_missing(); !reason.empty()) NETPOLL_SKIP(reason);
  for (const char* trigger : {"oneshot", "edge", "level"}) {
    Request r;
    r.workload = "echo";
    r.conns = 1;
    r.ops = 200;
    r.procs = 1;
    r.poll_mode = "inline";
    r.trigger = trigger;
    auto counts = count(*make_plan(r));
    REQUIRE(counts.has_value());
    const std::uint64_t waits =
        counts->calls["epoll_wait"] + counts->calls["epoll_pwait"] + counts->calls["epoll_pwait2"];
    INFO(trigger << ", waits " << waits);
    // One per message, and the start and end of the run; a wait more here and there is timing.
    CHECK(waits >= 200);
    CHECK(waits <= 220);
  }
}
