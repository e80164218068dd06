// What a command of `stat` lives through: the same as without us, with every back end that works here.
#include <fcntl.h>
#include <pty.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <sstream>

#include "tests/cli/tool_json.h"
#include "tests/support/catch.h"
#include "tests/support/skip.h"

namespace netpoll::test {
namespace {

std::vector<std::string> back_ends() {
  std::vector<std::string> names{"none"};
  if (works_here("ebpf_counts")) names.emplace_back("ebpf");
  if (works_here("ptrace")) names.emplace_back("ptrace");
  return names;
}

std::vector<std::string> stat_of(const std::string& back_end, std::vector<std::string> words,
                                 std::vector<std::string> program) {
  std::vector<std::string> all{"stat", "--backend", back_end};
  all.insert(all.end(), words.begin(), words.end());
  all.emplace_back("--");
  all.insert(all.end(), program.begin(), program.end());
  return all;
}

// A shell's loop that makes counted calls until `dir`/go exists, and then says so in `dir`/done.
std::string waits_for_go(const TempDir& dir) {
  return "while [ ! -e " + dir / "go" + " ]; do sleep 0.02; done; echo done >" + dir / "done";
}

bool ends_when_told(const TempDir& dir) {
  write_file(dir / "go", "");
  return eventually([&] { return read_file(dir / "done") == "done\n"; });
}

// The terminal of a tool and its command.
struct Terminal {
  Terminal() {
    int ends[2] = {-1, -1};
    REQUIRE(::openpty(&ends[0], &ends[1], nullptr, nullptr, nullptr) == 0);
    ours.reset(ends[0]);
    theirs.reset(ends[1]);
    name = ::ttyname(ends[1]);
    ::fcntl(ends[0], F_SETFD, FD_CLOEXEC);
    ::fcntl(ends[0], F_SETFL, O_NONBLOCK);
  }
  // Of a session leader without a terminal: the first that it opens becomes its own.
  std::function<bool()> take_it(bool standard_error_too) {
    return [this, standard_error_too] {
      const int fd = ::open(name.c_str(), O_RDWR);
      return fd >= 0 && ::dup2(fd, STDIN_FILENO) >= 0 && (!standard_error_too || ::dup2(fd, STDERR_FILENO) >= 0);
    };
  }
  void type(char key) const { REQUIRE(::write(ours.get(), &key, 1) == 1); }
  std::string shown() const {
    std::string text;
    char buffer[4096];
    for (ssize_t n = 0; (n = ::read(ours.get(), buffer, sizeof buffer)) > 0;)
      text.append(buffer, static_cast<std::size_t>(n));
    return text;
  }
  Fd ours, theirs;
  std::string name;
};

constexpr char kCtrlC = 3, kCtrlBackslash = 28;

}  // namespace

TEST_CASE("what a command leaves running lives on") {
  for (const std::string& back_end : back_ends()) {
    INFO(back_end);
    TempDir dir;
    // As a daemon does: another session, nobody's terminal, and the parent ends.
    const std::string script =
        "setsid sh -c '" + waits_for_go(dir) + "' </dev/null >/dev/null 2>&1 & echo $! >" + (dir / "pid") + "; exit 3";
    const ToolResult result = run_tool(stat_of(back_end, {"-q", "-o", dir / "result"}, {"/bin/sh", "-c", script}));
    CHECK(result.exit_code == 3);
    CHECK(read_file(dir / "done").empty());
    CHECK(ends_when_told(dir));
  }
}

TEST_CASE("a command lives on when the tool is killed") {
  for (const std::string& back_end : back_ends()) {
    INFO(back_end);
    TempDir dir;
    Tool tool(stat_of(back_end, {"-q"}, {"/bin/sh", "-c", "echo ready >&2; " + waits_for_go(dir)}));
    REQUIRE(tool.wait_for_error_text("ready"));
    tool.send(SIGKILL);
    CHECK(ends_when_told(dir));
    CHECK(tool.finish().signal == SIGKILL);
  }
}

TEST_CASE("a command gets the signals that its caller ignores and blocks") {
  const auto prepare = [] {
    ::signal(SIGPIPE, SIG_IGN);
    ::signal(SIGHUP, SIG_IGN);
    ::signal(SIGCHLD, SIG_IGN);
    ::signal(SIGURG, SIG_IGN);
    sigset_t blocked;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGUSR1);
    return ::sigprocmask(SIG_BLOCK, &blocked, nullptr) == 0;
  };
  const auto bit = [](int signal) { return std::uint64_t{1} << (signal - 1); };
  for (const std::string& back_end : back_ends()) {
    // The second command of two finds the same as the first.
    const ToolResult result = run_tool(
        stat_of(back_end, {"-q", "-r", "2", "-o", "/dev/null"}, {"grep", "-E", "Sig(Blk|Ign)", "/proc/self/status"}),
        {.before_exec = prepare});
    INFO(back_end << ": " << result.out << result.err);
    CHECK(result.exit_code == 0);
    std::istringstream lines(result.out);
    int seen = 0;
    for (std::string name, mask; lines >> name >> mask; ++seen) {
      const std::uint64_t bits = std::stoull(mask, nullptr, 16);
      if (name == "SigBlk:") CHECK(bits == bit(SIGUSR1));
      const std::uint64_t ignored = bit(SIGPIPE) | bit(SIGHUP) | bit(SIGCHLD) | bit(SIGURG);
      if (name == "SigIgn:") CHECK((bits & (ignored | bit(SIGINT) | bit(SIGQUIT))) == ignored);
    }
    CHECK(seen == 4);
  }
}

TEST_CASE("the keyboard is the command's: it survives Ctrl-\\ and Ctrl-C if it likes, and so does the tool") {
  for (const std::string& back_end : back_ends()) {
    INFO(back_end);
    TempDir dir;
    Terminal terminal;
    const std::string script =
        "trap 'echo dump >&2' QUIT; trap 'echo no >&2' INT; echo ready >&2; " + waits_for_go(dir) + "; exit 6";
    Tool tool(stat_of(back_end, {"--json", "-o", dir / "result"}, {"/bin/sh", "-c", script}),
              {.before_exec = terminal.take_it(false)});
    REQUIRE(tool.wait_for_error_text("ready"));
    terminal.type(kCtrlBackslash);
    REQUIRE(tool.wait_for_error_text("dump"));
    terminal.type(kCtrlC);
    REQUIRE(tool.wait_for_error_text("no"));
    terminal.type(kCtrlC);
    REQUIRE(tool.wait_for_error_text("no\nno"));
    CHECK(ends_when_told(dir));
    const ToolResult result = tool.finish();
    CHECK(result.exit_code == 130);
    const Json json = parsed(read_file(dir / "result"));
    CHECK(json["exit"]["code"] == 6);
    CHECK(json["target_ended"] == true);
  }
}

TEST_CASE("no progress crosses what a command writes to its terminal") {
  for (const std::string& back_end : back_ends()) {
    Terminal terminal;
    Tool tool(stat_of(back_end, {"-o", "/dev/null"}, {"/bin/sh", "-c", "sleep 0.5; printf 'prompt> ' >&2; sleep 0.5"}),
              {.before_exec = terminal.take_it(true)});
    CHECK(tool.finish().exit_code == 0);
    CHECK(terminal.shown() == "prompt> ");
  }
}

TEST_CASE("-d counts a command for that long, ends it, and says so") {
  for (const std::string& back_end : back_ends()) {
    TempDir dir;
    const ToolResult result = run_tool(stat_of(back_end, {"-d", "300ms", "--json", "-o", dir / "result"},
                                               {"/bin/sh", "-c", "while :; do sleep 0.02; done"}));
    INFO(result.err);
    CHECK(result.exit_code == 0);
    CHECK(result.err.find("'/bin/sh' was asked to end after 300ms, and was ended by signal 15") != std::string::npos);
    const Json json = parsed(read_file(dir / "result"));
    CHECK(json["exit"] == Json({{"code", nullptr}, {"signal", SIGTERM}}));
    CHECK(json["target_ended"] == false);
    CHECK(json["duration_ns"] >= 300'000'000);

    // One that ends by itself keeps its exit status.
    CHECK(run_tool(stat_of(back_end, {"-q", "-d", "5m"}, {"/bin/sh", "-c", "exit 9"})).exit_code == 9);
  }
}

TEST_CASE("a process whose first thread has left is counted, described and found by its name") {
  for (const std::string& back_end : back_ends()) {
    INFO(back_end);
    int in[2], out[2];
    REQUIRE((::pipe2(in, O_CLOEXEC) == 0 && ::pipe2(out, O_CLOEXEC) == 0));
    const Fd child_in(in[0]), child_out(out[1]), ready(out[0]);
    Fd keeps_it(in[1]);
    const pid_t pid = ::fork();
    if (pid == 0) {
      ::dup2(child_in.get(), STDIN_FILENO);
      ::dup2(child_out.get(), STDOUT_FILENO);
      ::execl(NETPOLL_TRACED, "traced", "leaderless", nullptr);
      ::_exit(98);
    }
    char byte = 0;
    REQUIRE(::read(ready.get(), &byte, 1) == 1);
    const std::string number = std::to_string(pid);
    for (const auto& who : {std::vector<std::string>{"-p", number}, {"--comm", "traced"}}) {
      std::vector<std::string> words{"stat", "--backend", back_end, "-d", "200ms", "--json"};
      words.insert(words.end(), who.begin(), who.end());
      const ToolResult result = run_tool(words);
      INFO(result.err);
      CHECK(result.exit_code == 0);
      const Json json = parsed(result.out);
      CHECK(json["target"]["pid"] == pid);
      CHECK(json["target"]["exe"] == NETPOLL_TRACED);
      if (back_end != "none") CHECK(json["syscalls"]["epoll_pwait"]["count"] > 0);
    }
    for (const Json& row : parsed(run_tool({"doctor", "-p", number, "--json"}).out).at("target_features")) {
      if (row["name"] == "target_exists" || row["name"] == "target_memory") CHECK(row["ok"] == true);
    }
    keeps_it.reset();
    int status = -1;
    CHECK(::waitpid(pid, &status, 0) == pid);
    CHECK(status == 0);
  }
}

}  // namespace netpoll::test
