// What stays behind when the tool, the child or the source goes, in whatever order, and what an ordinary user may do.
#include <sys/prctl.h>
#include <unistd.h>

#include <cerrno>

#include "probes/launch/exit_relay.h"
#include "probes/process/proc_status.h"
#include "tests/probes/ptrace/support.h"
#include "tests/support/another_user.h"

namespace netpoll::test {
namespace {

using probes::Child;
using probes::launch;
using probes::LaunchSpec;
using probes::make_ptrace_source;
using probes::Source;
using probes::Syscall;

bool exists(pid_t pid) { return ::kill(pid, 0) == 0 || errno != ESRCH; }

struct Traced {
  std::unique_ptr<Source> source = make_ptrace_source({});
  std::optional<Child> child;
  Fd stdin_writer;  // keeps the child's standard input open

  explicit Traced(std::vector<std::string> argv, bool follow_forks = false) {
    LaunchSpec spec;
    spec.argv = std::move(argv);
    int input[2] = {-1, -1};
    REQUIRE(pipe2(input, O_CLOEXEC) == 0);
    const Fd child_input(input[0]), null(open("/dev/null", O_WRONLY | O_CLOEXEC));
    stdin_writer.reset(input[1]);
    spec.fds = {{child_input.get(), 0}, {null.get(), 1}};
    source->prepare(spec);
    auto launched = launch(spec);
    REQUIRE(launched);
    child.emplace(std::move(*launched));
    REQUIRE(source->attach({.pid = child->pid(), .held = true, .follow_forks = follow_forks, .exe = spec.argv[0]}));
  }
};

// Runs body in a process of its own and returns its exit status.
int in_process(const std::function<int()>& body) {
  const pid_t pid = fork();
  if (pid == 0) _exit(body());
  int status = 0;
  waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

}  // namespace

TEST_CASE("a command that cannot be executed counts nothing and is gone") {
  Traced traced({"/nonexistent/program"});
  const auto resumed = traced.child->resume();
  REQUIRE_FALSE(resumed);
  CHECK(resumed.error().sys_errno() == ENOENT);
  CHECK_FALSE(exists(traced.child->pid()));
  wait_for_end(*traced.source);
  CHECK(differences(traced.source->read().value(), {}) == kNoDifference);
}

TEST_CASE("exit code and signal of a traced child arrive at its Child") {
  Traced exits({"/bin/sh", "-c", "exit 7"});
  REQUIRE(exits.child->resume());
  CHECK(exits.child->wait(-1).value()->code == 7);
  wait_for_end(*exits.source);

  Traced signalled({"/bin/sh", "-c", "kill -USR1 $$"});
  REQUIRE(signalled.child->resume());
  CHECK(signalled.child->wait(-1).value()->signal == SIGUSR1);
}

TEST_CASE("a source that goes first leaves a child that runs to its end") {
  Traced traced({kTraced, "hammer", "2"});
  REQUIRE(traced.child->resume());
  REQUIRE(eventually([&] { return row_of(traced.source->read().value(), Syscall::epoll_pwait).count > 100; }));
  traced.source.reset();
  CHECK(probes::status_number(traced.child->pid(), "TracerPid") == 0);
  traced.stdin_writer.reset();
  CHECK(traced.child->wait(20000).value()->success());
}

TEST_CASE("a source that goes while the child is held leaves it held") {
  Traced traced({"/bin/sh", "-c", "exit 7"});
  traced.source.reset();
  CHECK_FALSE(traced.child->wait(0).value());
  REQUIRE(traced.child->resume());
  CHECK(traced.child->wait(20000).value()->code == 7);
}

TEST_CASE("what a command leaves running lives on when the source goes, counted until then") {
  // The shell ends at once; what it started goes on making calls until its standard input ends.
  Traced traced({"/bin/sh", "-c", std::string("exec 3<&0; ") + kTraced + " hammer 2 <&3 3<&- & exit 5"}, true);
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  REQUIRE(traced.child->resume());
  CHECK(traced.child->wait(20000).value()->code == 5);
  REQUIRE(eventually([&] { return row_of(traced.source->read().value(), Syscall::epoll_pwait).count > 100; }));
  traced.source.reset();
  traced.stdin_writer.reset();
  int status = -1;
  pid_t reaped = 0;
  REQUIRE(eventually([&] { return (reaped = waitpid(-1, &status, WNOHANG)) != 0; }));
  prctl(PR_SET_CHILD_SUBREAPER, 0);
  REQUIRE(reaped > 0);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
}

TEST_CASE("a child that goes first leaves a source with counts") {
  Traced traced({kTraced, "hammer", "2"});
  REQUIRE(traced.child->resume());
  const pid_t pid = traced.child->pid();
  REQUIRE(eventually([&] { return row_of(traced.source->read().value(), Syscall::epoll_pwait).count > 100; }));
  traced.child.reset();
  CHECK_FALSE(exists(pid));
  wait_for_end(*traced.source);
  CHECK(row_of(traced.source->read().value(), Syscall::epoll_pwait).count > 100);
}

TEST_CASE("after detach a child runs on to its end, uncounted") {
  Traced traced({kTraced, "crowd"});
  traced.source->detach();
  REQUIRE(traced.child->resume());
  CHECK(traced.child->wait(-1).value()->success());
  CHECK(differences(traced.source->read().value(), {}) == kNoDifference);
}

TEST_CASE("SIGKILL of the tool lets its traced command and a running process live") {
  Prey bystander({kTraced, "hammer", "2"});
  REQUIRE(bystander.sleeps());
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  int fds[2], lives[2];
  REQUIRE(pipe2(fds, O_CLOEXEC) == 0);
  REQUIRE(pipe2(lives, O_CLOEXEC) == 0);
  const pid_t tool = fork();
  if (tool == 0) {
    LaunchSpec spec;
    spec.argv = {kTraced, "hammer", "2"};
    spec.outlives_us = true;
    const Fd null(open("/dev/null", O_WRONLY | O_CLOEXEC));
    spec.fds = {{lives[0], 0}, {null.get(), 1}};
    auto own = make_ptrace_source({}), other = make_ptrace_source({});
    own->prepare(spec);
    auto child = launch(spec);
    if (!child || !own->attach({.pid = child->pid(), .held = true}) || !child->resume()) _exit(1);
    if (!other->attach({.pid = bystander.pid()})) _exit(1);
    const pid_t pid = child->pid();
    if (write(fds[1], &pid, sizeof pid) != sizeof pid) _exit(1);
    for (;;) pause();
  }
  pid_t child = 0;
  REQUIRE(read(fds[0], &child, sizeof child) == sizeof child);
  ::kill(tool, SIGKILL);
  waitpid(tool, nullptr, 0);
  CHECK(eventually([&] { return probes::status_number(child, "TracerPid") == 0; }));
  close(lives[1]);  // the end that it waits for
  int status = -1;
  CHECK(eventually([&] { return waitpid(child, &status, WNOHANG) != 0; }));
  CHECK(status == 0);
  prctl(PR_SET_CHILD_SUBREAPER, 0);
  bystander.poke();
  CHECK(number_after(bystander.rest(), "wrong") == 0);
  for (int fd : {fds[0], fds[1], lives[0]}) close(fd);
}

TEST_CASE("an ordinary user traces a command of his own, counted exactly") {
  const std::string calls = for_everybody(kCalls);
  const int status = in_process([&] {
    if (getuid() == 0 && !become_nobody()) return 1;
    auto source = make_ptrace_source({});
    auto run = run_counted(*source, {calls, "polls", "io", "burst", "execs"}, true);
    if (!run || !run->status.success()) return 2;
    return differences(run->counts, parse_truth(run->output).counts).empty() ? 0 : 3;
  });
  CHECK(status == 0);
}

TEST_CASE("a process of another user is refused with a hint") {
  if (getuid() != 0) NETPOLL_SKIP("needs root to become somebody else");
  Prey prey({kTraced, "hammer", "1"});
  REQUIRE(prey.sleeps());
  const pid_t pid = prey.pid();
  const int status = in_process([pid] {
    if (!become_nobody()) return 1;
    const auto attached = make_ptrace_source({})->attach({.pid = pid});
    if (attached || !attached.error().is(ErrorKind::kPermission)) return 2;
    return attached.error().hint().find("another user") != std::string::npos ? 0 : 3;
  });
  CHECK(status == 0);
}

}  // namespace netpoll::test
