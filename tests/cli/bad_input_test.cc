// Wrong command lines and files: one clear line, a hint, the right exit status, nothing left behind.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>

#include "tests/cli/tool.h"
#include "tests/support/catch.h"
#include "tests/support/skip.h"
#include "tests/support/temp_dir.h"

namespace netpoll::test {
namespace {

// The shape of every refusal: nothing on standard output, an error line, a hint line.
void check_refusal(const ToolResult& result, int exit_code, const std::string& error, const std::string& hint) {
  INFO("stderr: " << result.err);
  CHECK(result.exit_code == exit_code);
  CHECK(result.out.empty());
  CHECK(result.err.find("error: ") == 0);
  CHECK(result.err.find(error) != std::string::npos);
  CHECK(result.err.find("\nhint: ") != std::string::npos);
  CHECK(result.err.find(hint) != std::string::npos);
  CHECK(std::count(result.err.begin(), result.err.end(), '\n') == 2);
}

void refuses(const std::vector<std::string>& arguments, int exit_code, const std::string& error,
             const std::string& hint) {
  std::string line;
  for (const std::string& argument : arguments) line += argument + " ";
  INFO(line);
  Tool tool(arguments);
  check_refusal(tool.finish(), exit_code, error, hint);
  CHECK(tool.leaves_no_process());
}

const std::string kRun =
    R"({"schema":"netpoll-trace/run/v1","target":{"kind":"libruntime"},"probe":{"backend":"ebpf"},)"
    R"("workload":{"name":"echo","ops":100},"operations":100,"poll":{"count":5},)"
    R"("syscalls":{"epoll_ctl":{"count":2,"per_op":0.02,"errors":{}}}})";

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  text.replace(text.find(from), from.size(), to);
  return text;
}

}  // namespace

TEST_CASE("unknown commands, flags, workloads and formats get a suggestion") {
  refuses({"runn"}, 2, "unknown command \"runn\"", "did you mean \"run\"?");
  refuses({"--verson"}, 2, "unknown flag \"--verson\"", "flags follow the command");
  refuses({}, 2, "no command was given", "netpoll-trace help");
  refuses({"run", "ehco"}, 2, "unknown workload \"ehco\"", "did you mean \"echo\"?");
  refuses({"run", "warp9"}, 2, "unknown workload \"warp9\"", "one of: echo, idle");
  refuses({"run"}, 2, "needs the name of a workload", "one of: echo, idle");
  refuses({"run", "echo", "--con", "5"}, 2, "unknown flag --con", "did you mean \"--conns\"?");
  refuses({"run", "echo", "--polmode=thread"}, 2, "unknown flag --polmode", "did you mean \"--poll-mode\"?");
  refuses({"run", "echo", "-x"}, 2, "unknown flag -x", "");
  refuses({"run", "echo", "idle"}, 2, "unexpected argument \"idle\"", "usage: netpoll-trace run");
  refuses({"run", "echo", "-f", "jsno"}, 2, "unknown format \"jsno\"", "did you mean \"json\"?");
  refuses({"run", "echo", "--json", "-f", "yaml"}, 2, "exclude each other", "");
  refuses({"run", "echo", "--backend", "bpf"}, 2, "unknown back end \"bpf\"", "did you mean \"ebpf\"?");
  refuses({"run", "echo", "-e", "epol_ctl"}, 2, "unknown event", "did you mean \"epoll_ctl\"?");
  refuses({"run", "echo", "--color", "alway"}, 2, "unknown --color", "did you mean \"always\"?");
  refuses({"run", "echo", "--", "ls"}, 2, "run does not run a command", "usage:");
  refuses({"help", "rnu"}, 2, "no help on \"rnu\"", "did you mean \"run\"?");
  refuses({"help", "schema", "rnu"}, 2, "no schema \"rnu\"", "did you mean \"run\"?");
  refuses({"help", "schema"}, 2, "needs the name of a document", "one of:");
}

TEST_CASE("numbers that make no sense are refused before anything starts") {
  refuses({"run", "echo", "--conns", "0"}, 2, "--conns 0 is out of range", "between 1 and");
  refuses({"run", "echo", "--conns", "-5"}, 2, "--conns: \"-5\" is not a number", "");
  refuses({"run", "echo", "--conns", "many"}, 2, "--conns: \"many\" is not a number", "");
  refuses({"run", "echo", "--conns"}, 2, "--conns needs a value", "help run");
  refuses({"run", "echo", "--conns", "99999999999999999999"}, 2, "is too large", "");
  refuses({"run", "echo", "--size", "-1"}, 2, "--size: \"-1\" is not a size", "");
  refuses({"run", "echo", "--size", "0"}, 2, "--size 0 is out of range", "between");
  refuses({"run", "echo", "--size", "1000G"}, 2, "--size", "between");
  refuses({"run", "echo", "--duration", "5"}, 2, "\"5\" has no unit", "5s");
  refuses({"run", "echo", "--duration", "0s"}, 2, "--duration", "between");
  refuses({"run", "echo", "--procs", "0"}, 2, "--procs 0 is out of range", "between 1 and");
  refuses({"run", "echo", "--poll-mode", "fast"}, 2, "unknown poll mode \"fast\"", "thread, inline, hybrid");
  refuses({"run", "echo", "--trigger", "level2"}, 2, "unknown trigger \"level2\"", "oneshot, edge, level");
  refuses({"run", "echo", "--poller", "select"}, 2, "unknown poller \"select\"", "epoll, kqueue");
#if !defined(NETPOLL_HAVE_KQUEUE)
  refuses({"run", "echo", "--poller", "kqueue"}, 3, "the poller kqueue is not in this build", "NETPOLL_KQUEUE=ON");
#endif
  refuses({"run", "echo", "--expect", "poll.count > +2%"}, 2, "only one run", "compare --fail-on");
  refuses({"run", "echo", "--expect", "poll.count"}, 2, "has no comparison", "PATH OP LIMIT");
}

TEST_CASE("stat needs exactly one kind of target") {
  refuses({"stat"}, 2, "stat needs a process or a command", "-p PID");
  refuses({"stat", "-p", "1", "--", "ls"}, 2, "exclude each other", "");
  refuses({"stat", "ls", "-l"}, 2, "unknown flag -l", "");
  refuses({"stat", "ls"}, 2, "unexpected argument \"ls\"", "-- CMD");
  refuses({"stat", "-p"}, 2, "needs a value", "");
  // An empty value, of an unset variable perhaps, does not take the next word.
  refuses({"stat", "--comm=", "sleep", "-d", "1s"}, 2, "--comm needs a value", "");
  refuses({"stat", "--comm", "", "-p", "1"}, 2, "--comm needs a value", "");
  refuses({"stat", "--output=", "-p", "1"}, 2, "--output needs a value", "");
  refuses({"stat", "-p", "", "-d", "1s"}, 2, "--pid needs a value", "");
  refuses({"stat", "-p", "1x"}, 2, "-p: \"1x\" is not a whole number", "pidof");
  refuses({"stat", "-p", "-1"}, 2, "-p: \"-1\"", "pidof");
  refuses({"stat", "--repeat", "3", "-p", std::to_string(::getpid())}, 2, "needs --duration", "");
  refuses({"stat", "--interval", "1us", "-p", std::to_string(::getpid())}, 2, "too short", "10ms");
}

TEST_CASE("a process that does not exist is named") {
  refuses({"stat", "-p", "4194304"}, 3, "there is no process 4194304", "--comm");
  refuses({"snapshot", "-p", "4194304"}, 3, "there is no process 4194304", "--comm");
  refuses({"snapshot", "server"}, 2, "unexpected argument \"server\"", "--core FILE");
  refuses({"snapshot", "--core", "core", "-p", "1"}, 2, "--core excludes -p", "--core FILE [EXE]");
  refuses({"snapshot", "--core", "core", "--watch", "1s", "-f", "ndjson"}, 2, "--core excludes", "read once");
  refuses({"stat", "--comm", "no such program"}, 3, "no process is called", "");
  Sleeper sleeper;
  refuses({"stat", "--comm", "slepe"}, 3, "no process is called \"slepe\"", "did you mean \"sleep\"?");
}

TEST_CASE("a zombie is told from a process that does not exist") {
  const pid_t zombie = ::fork();
  if (zombie == 0) ::_exit(0);
  siginfo_t ended;
  REQUIRE(::waitid(P_PID, static_cast<id_t>(zombie), &ended, WEXITED | WNOWAIT) == 0);
  for (const char* command : {"stat", "trace", "epoll", "snapshot", "lint"}) {
    refuses({command, "-p", std::to_string(zombie)}, 3, "process " + std::to_string(zombie) + " has ended", "parent");
  }
  REQUIRE(::waitpid(zombie, nullptr, 0) == zombie);
}

TEST_CASE("a kernel thread is refused by whatever looks at processes") {
  // Process 2 is kthreadd, except in a container with its own process ids.
  std::string name;
  std::getline(std::ifstream("/proc/2/comm"), name);
  if (name != "kthreadd") NETPOLL_SKIP("kernel threads are not visible here");
  for (const char* command : {"stat", "trace", "epoll", "snapshot", "lint", "serve", "doctor"}) {
    refuses({command, "-p", "2"}, 3, "process 2 (kthreadd) is a kernel thread", "neither memory nor descriptors");
  }
  refuses({"top", "-b", "-p", "2"}, 3, "is a kernel thread", "");
  refuses({"epoll", "--comm", "kthreadd"}, 3, "is a kernel thread", "");
}

TEST_CASE("a file that is no core is a wrong input file, as one that is missing") {
  const TempDir folder;
  const auto written = [&](const std::string& name, const std::string& bytes) {
    std::ofstream(folder / name) << bytes;
    return folder / name;
  };
  refuses({"snapshot", "--core", "/no/such/core"}, 2, "open /no/such/core", "core_pattern");
  refuses({"snapshot", "--core", "/"}, 2, "/ is not a regular file", "core_pattern");
  refuses({"snapshot", "--core", "/proc/self/exe"}, 2, "an ELF file, but not a core", "gcore");
  refuses({"snapshot", "--core", written("empty", "")}, 2, "too short for a core", "gcore");
  refuses({"snapshot", "--core", written("text", "hello, world")}, 2, "it is not ELF", "gcore");
  refuses({"snapshot", "--core", written("report", "ProblemType: Crash\n")}, 2, "holds no core", "core(5)");
  const std::string narrow("\177ELF\1\1\1\0\0\0\0\0\0\0\0\0", 16);
  refuses({"snapshot", "--core", written("narrow", narrow)}, 3, "of a 32-bit program", "64-bit");
}

TEST_CASE("a process that is not libruntime has no goroutines to show") {
  Sleeper sleeper;
  refuses({"snapshot", "-p", std::to_string(sleeper.pid())}, 3, "libruntime", "");
}

TEST_CASE("a process of somebody else needs permission") {
  if (::geteuid() != 0) NETPOLL_SKIP("needs root, to be somebody else than the target's owner");
  Sleeper sleeper;
  for (const char* command : {"stat", "snapshot"}) {
    Tool tool({command, "-p", std::to_string(sleeper.pid())}, as_nobody());
    const ToolResult result = tool.finish();
    INFO(command << ": " << result.err);
    CHECK(result.exit_code == 3);
    CHECK(result.out.empty());
    CHECK(result.err.find("error: ") != std::string::npos);
    CHECK(result.err.find("\nhint: ") != std::string::npos);
  }
}

TEST_CASE("a command that cannot be executed has the exit status of a shell") {
  TempDir dir;
  write_file(dir / "data", "no program");
  // A directory in PATH that may not be searched would turn "not found" into "permission denied".
  const ToolResult missing =
      run_tool({"stat", "--backend", "none", "--", "netpoll-no-such-program"}, {.env = {"PATH=/usr/bin:/bin"}});
  check_refusal(missing, 127, "netpoll-no-such-program", "PATH");
  refuses({"stat", "--backend", "none", "--", dir / "data"}, 126, dir / "data", "");
}

TEST_CASE("result files that cannot be compared are refused") {
  TempDir dir;
  const std::string good = dir / "good.json";
  write_file(good, kRun);
  const auto refuses_file = [&](const std::string& text, const std::string& error) {
    write_file(dir / "bad.json", text);
    refuses({"compare", good, dir / "bad.json"}, 2, error, "");
  };
  refuses_file(kRun.substr(0, kRun.size() - 9), "is cut short");
  refuses_file("PK\x03\x04", "is not JSON");
  refuses_file("", "holds no document");
  refuses_file("{\"a\": 1}", "not a document of netpoll-trace");
  refuses_file(replaced(kRun, "run/v1", "snapshot/v1"), "is the result of snapshot");
  refuses_file(replaced(kRun, "run/v1", "run/v2"), "which this version cannot read");
  refuses_file(replaced(kRun, "\"ops\":100", "\"ops\":200"), "not comparable: ops 100 and 200");
  refuses_file(replaced(kRun, "ebpf", "ptrace"), "not comparable: back end ebpf and ptrace");
  refuses({"compare", good, dir / "missing.json"}, 2, "No such file", "");
  refuses({"compare", good, dir.path()}, 2, "Is a directory", "");
  refuses({"compare", good}, 2, "needs two result files", "");
  refuses({"compare", good, good, "--fail-on", "syscalls.epoll_clt.per_op > +2%"}, 2, "has no figure",
          "did you mean \"syscalls.epoll_ctl.per_op\"?");
  refuses({"compare", good, good, "--fail-on", "poll.count"}, 2, "has no comparison", "PATH OP LIMIT");
}

TEST_CASE("compare says yes, no, or insists") {
  TempDir dir;
  write_file(dir / "base.json", kRun);
  write_file(dir / "head.json", replaced(kRun, "0.02", "0.03"));
  const std::vector<std::string> gate = {"--fail-on", "syscalls.epoll_ctl.per_op > +2%"};
  const auto compare = [&](const std::string& a, const std::string& b, std::vector<std::string> more) {
    more.insert(more.begin(), {"compare", dir / a, dir / b});
    return run_tool(more);
  };
  CHECK(compare("base.json", "base.json", gate).exit_code == 0);
  const ToolResult worse = compare("base.json", "head.json", gate);
  CHECK(worse.exit_code == 1);
  CHECK(worse.out.find("regression") != std::string::npos);
  CHECK(worse.out.find("+50.00 %") != std::string::npos);
  CHECK(compare("base.json", "head.json", {}).exit_code == 0);
  CHECK(compare("base.json", "head.json", {gate[0], gate[1], "--fail-on", "poll.count > 100"}).exit_code == 1);
  write_file(dir / "other.json", replaced(kRun, "\"ops\":100", "\"ops\":200"));
  const ToolResult forced = compare("base.json", "other.json", {"--force"});
  CHECK(forced.exit_code == 0);
  CHECK(forced.err.find("warning: ") == 0);
  const ToolResult piped = run_tool({"compare", "-", dir / "base.json"}, {.input = kRun + "\n" + kRun});
  CHECK(piped.exit_code == 0);
  CHECK(piped.out.find("2 runs, medians") != std::string::npos);
}

TEST_CASE("an output that cannot be written is refused before the work, and nothing stays") {
  TempDir dir;
  write_file(dir / "base.json", kRun);
  const std::string base = dir / "base.json";
  refuses({"compare", base, base, "-o", "/dev/full"}, 3, "cannot write to /dev/full: No space left", "");
  refuses({"compare", base, base, "-o", dir / "no/such/x.json"}, 3, "No such file", "mkdir -p");
  refuses({"compare", base, base, "-o", dir.path()}, 3, "Is a directory", "");
  refuses({"run", "echo", "-o", dir / "no/such/x.json"}, 3, "No such file", "mkdir -p");
  CHECK(dir.names() == std::vector<std::string>{"base.json"});
}

TEST_CASE("a complete output replaces the older one") {
  TempDir dir;
  write_file(dir / "base.json", kRun);
  write_file(dir / "out.json", "older");
  CHECK(run_tool({"compare", dir / "base.json", dir / "base.json", "--json", "-o", dir / "out.json"}).exit_code == 0);
  CHECK(read_file(dir / "out.json").find("netpoll-trace/compare/v1") != std::string::npos);
  CHECK(dir.names().size() == 2);
}

TEST_CASE("a closed standard output is an error and not a crash") {
  const ToolResult closed = run_tool({"help"}, {.out_fd = -2});
  check_refusal(closed, 3, "cannot write to standard output", "-o FILE");
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  ::close(ends[0]);
  const ToolResult left = run_tool({"help"}, {.out_fd = ends[1]});
  ::close(ends[1]);
  check_refusal(left, 3, "cannot write to standard output: Broken pipe", "-o FILE");
}

TEST_CASE("no file of the tool takes the place of a standard stream that is closed") {
  Sleeper target;
  const std::vector<std::string> target_flags = {"-p", std::to_string(target.pid()), "-d", "50ms"};
  const auto with_target = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), target_flags.begin(), target_flags.end());
    return arguments;
  };
  for (const char* command : {"stat", "trace"}) {
    const ToolResult closed = run_tool(with_target({command, "-q", "--backend", "ptrace"}), {.out_fd = -2});
    check_refusal(closed, 3, "cannot write to standard output: Bad file descriptor", "-o FILE");
  }
  // Nor do messages get into a result.
  TempDir dir;
  ToolOptions all_closed{.before_exec =
                             [] {
                               for (int fd = 0; fd < 3; ++fd) ::close(fd);
                               return true;
                             },
                         .out_fd = -2};
  CHECK(run_tool(with_target({"stat", "-v", "--backend", "ptrace", "--json", "-o", dir / "out.json"}), all_closed)
            .exit_code == 0);
  const std::string result = read_file(dir / "out.json");
  CHECK(result.starts_with("{\n"));
  CHECK(result.ends_with("}\n"));
}

TEST_CASE("a command finds the standard streams closed that we were given closed") {
  TempDir dir;
  const ToolResult result = run_tool({"stat", "--backend", "ptrace", "-o", dir / "out", "--", "sh", "-c",
                                      "test -e /proc/$$/fd/0 -a ! -e /proc/$$/fd/1 -a -e /proc/$$/fd/2"},
                                     {.out_fd = -2});
  INFO(result.err);
  CHECK(result.exit_code == 0);
}

TEST_CASE("help and version answer on standard output") {
  const ToolResult help = run_tool({"--help"});
  CHECK(help.exit_code == 0);
  CHECK(help.err.empty());
  for (const char* command : {"run", "stat", "snapshot", "compare", "doctor", "help"}) {
    CHECK(help.out.find(std::string("\n  ") + command + " ") != std::string::npos);
    const ToolResult page = run_tool({command, "--help"});
    CHECK(page.exit_code == 0);
    CHECK(page.out.find(std::string("Usage: netpoll-trace ") + command) == 0);
    CHECK(run_tool({"help", command}).out == page.out);
  }
  CHECK(run_tool({"--version"}).out == "netpoll-trace " NETPOLL_VERSION "\n");
  for (const char* topic : {"exit-codes", "units", "workloads", "tracepoints"}) {
    CHECK(run_tool({"help", topic}).exit_code == 0);
  }
}

}  // namespace netpoll::test
