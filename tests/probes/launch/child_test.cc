// launch() and Child: held before exec, exact about errors, and never left behind.
#include "probes/launch/child.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <fstream>
#include <functional>
#include <string>
#include <thread>

#include "tests/support/catch.h"
#include "tests/support/eventually.h"
#include "tests/support/skip.h"

namespace netpoll::probes {
namespace {

using netpoll::test::eventually;
using namespace std::chrono_literals;

struct Pipe {
  Pipe() {
    int fds[2] = {-1, -1};
    if (pipe2(fds, O_CLOEXEC) == 0) {
      read.reset(fds[0]);
      write.reset(fds[1]);
    }
  }
  // Reads to the end of the stream.
  std::string drain() {
    write.reset();
    std::string text;
    char buffer[4096];
    for (ssize_t n = 0; (n = ::read(read.get(), buffer, sizeof buffer)) > 0;) text.append(buffer, n);
    return text;
  }
  Fd read, write;
};

LaunchSpec shell(const std::string& script) {
  LaunchSpec spec;
  spec.argv = {"/bin/sh", "-c", script};
  return spec;
}

// True while the process exists, as a zombie too.
bool exists(pid_t pid) { return ::kill(pid, 0) == 0 || errno != ESRCH; }

std::string comm(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/comm");
  std::string name;
  std::getline(file, name);
  return name;
}

}  // namespace

TEST_CASE("child is held before exec until it is resumed") {
  Pipe out;
  LaunchSpec spec = shell("echo ran");
  spec.fds = {{out.write.get(), 1}};
  Result<Child> child = launch(spec);
  REQUIRE(child);
  CHECK(comm(child->pid()) == comm(getpid()));
  Result<std::optional<ChildExit>> early = child->wait(0);
  REQUIRE(early);
  CHECK_FALSE(early->has_value());

  REQUIRE(child->resume());
  CHECK(out.drain() == "ran\n");
  Result<std::optional<ChildExit>> ended = child->wait(-1);
  REQUIRE(ended);
  REQUIRE(ended->has_value());
  CHECK((*ended)->success());
  CHECK_FALSE(exists(child->pid()));
}

TEST_CASE("exit code and signal of a child are told apart") {
  Result<Child> exits = launch(shell("exit 7"));
  REQUIRE(exits);
  REQUIRE(exits->resume());
  ChildExit status = exits->wait(-1).value().value();
  CHECK(status.code == 7);
  CHECK(status.signal == 0);
  CHECK(status.shell_code() == 7);

  Result<Child> signalled = launch(shell("kill -USR1 $$"));
  REQUIRE(signalled);
  REQUIRE(signalled->resume());
  status = signalled->wait(-1).value().value();
  CHECK(status.signal == SIGUSR1);
  CHECK(status.shell_code() == 128 + SIGUSR1);
  // Asked again, it says the same.
  CHECK(signalled->wait(0).value().value().signal == SIGUSR1);
}

TEST_CASE("exec failures carry errno and the shell's exit code") {
  LaunchSpec spec;
  spec.argv = {"netpoll-no-such-command"};
  Result<Child> missing = launch(spec);
  REQUIRE(missing);
  Result<void> resumed = missing->resume();
  REQUIRE_FALSE(resumed);
  CHECK(resumed.error().sys_errno() == ENOENT);
  CHECK(resumed.error().kind() == ErrorKind::kNotFound);
  CHECK(resumed.error().message() == "cannot execute 'netpoll-no-such-command': No such file or directory");
  CHECK_FALSE(resumed.error().hint().empty());
  CHECK(exec_failure_code(resumed.error()) == 127);
  CHECK_FALSE(exists(missing->pid()));

  spec.argv = {"/etc/passwd"};
  Result<Child> not_executable = launch(spec);
  REQUIRE(not_executable);
  resumed = not_executable->resume();
  REQUIRE_FALSE(resumed);
  CHECK(resumed.error().sys_errno() == EACCES);
  CHECK(exec_failure_code(resumed.error()) == 126);
}

TEST_CASE("an empty command is refused") { CHECK_FALSE(launch(LaunchSpec{})); }

TEST_CASE("a bad descriptor is reported by launch") {
  LaunchSpec spec = shell("true");
  spec.fds = {{1 << 20, 5}};
  Result<Child> child = launch(spec);
  REQUIRE_FALSE(child);
  CHECK(child.error().sys_errno() == EBADF);
}

TEST_CASE("descriptors may swap numbers") {
  Pipe a, b;
  LaunchSpec spec =
      shell("echo one >&" + std::to_string(a.write.get()) + "; echo two >&" + std::to_string(b.write.get()));
  spec.fds = {{a.write.get(), b.write.get()}, {b.write.get(), a.write.get()}};
  Result<Child> child = launch(spec);
  REQUIRE(child);
  REQUIRE(child->resume());
  CHECK(b.drain() == "one\n");
  CHECK(a.drain() == "two\n");
}

TEST_CASE("child inherits only the descriptors it is given") {
  // Both without close-on-exec, as a careless library leaves them.
  Fd stray(open("/dev/null", O_RDONLY));
  Fd passed(open("/dev/null", O_RDONLY));
  Pipe out;
  LaunchSpec spec;
  spec.argv = {"ls", "/proc/self/fd"};
  spec.fds = {{out.write.get(), 1}, {passed.get(), 9}};
  Result<Child> child = launch(spec);
  REQUIRE(child);
  REQUIRE(child->resume());
  // 3 is the directory that ls reads.
  CHECK(out.drain() == "0\n1\n2\n3\n9\n");

  Pipe all;
  spec.argv = {"/bin/sh", "-c", "test -e /proc/self/fd/" + std::to_string(stray.get()) + " && echo passed"};
  spec.fds = {{all.write.get(), 1}};
  spec.close_other_fds = false;
  Result<Child> open_child = launch(spec);
  REQUIRE(open_child);
  REQUIRE(open_child->resume());
  CHECK(all.drain() == "passed\n");
}

TEST_CASE("environment entries are added and replaced") {
  setenv("NETPOLL_TEST_KEPT", "kept", 1);
  setenv("NETPOLL_TEST_OLD", "old", 1);
  Pipe out;
  LaunchSpec spec = shell("echo $NETPOLL_TEST_KEPT $NETPOLL_TEST_OLD $NETPOLL_TEST_NEW");
  spec.set_env = {"NETPOLL_TEST_OLD=replaced", "NETPOLL_TEST_NEW=new"};
  spec.fds = {{out.write.get(), 1}};
  Result<Child> child = launch(spec);
  REQUIRE(child);
  REQUIRE(child->resume());
  CHECK(out.drain() == "kept replaced new\n");
}

TEST_CASE("a child has its caller's signals: blocked, ignored, and default where we handle them") {
  struct sigaction handler = {}, before = {};
  handler.sa_handler = [](int) {};
  sigaction(SIGINT, &handler, &before);
  struct sigaction ignore = {}, pipe_before = {};
  ignore.sa_handler = SIG_IGN;
  sigaction(SIGPIPE, &ignore, &pipe_before);
  sigset_t block, mask_before;
  sigemptyset(&block);
  sigaddset(&block, SIGUSR1);
  pthread_sigmask(SIG_BLOCK, &block, &mask_before);

  Pipe out;
  LaunchSpec spec;
  spec.argv = {"grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status"};
  spec.fds = {{out.write.get(), 1}};
  spec.ignored_signals = {SIGHUP};
  Result<Child> child = launch(spec);
  REQUIRE(child);
  // Ctrl-C ends a child that is still held.
  Result<Child> held = launch(spec);
  REQUIRE(held);
  REQUIRE(held->send(SIGINT));
  const ChildExit status = held->wait(-1).value().value();
  REQUIRE(child->resume());
  const std::string text = out.drain();

  sigaction(SIGINT, &before, nullptr);
  sigaction(SIGPIPE, &pipe_before, nullptr);
  pthread_sigmask(SIG_SETMASK, &mask_before, nullptr);
  CHECK(status.signal == SIGINT);
  const auto bit = [](int signal) { return std::uint64_t{1} << (signal - 1); };
  const auto mask = [&](const std::string& name) {
    return std::stoull(text.substr(text.find(name + ":\t") + name.size() + 2), nullptr, 16);
  };
  CHECK(mask("SigBlk") == bit(SIGUSR1));
  CHECK((mask("SigIgn") & (bit(SIGPIPE) | bit(SIGHUP) | bit(SIGINT))) == (bit(SIGPIPE) | bit(SIGHUP)));
  // It counts as resumed and not as failed.
  CHECK(held->resume());
}

TEST_CASE("own_group keeps the terminal's signals away") {
  LaunchSpec spec = shell("exec sleep 60");
  spec.own_group = true;
  Result<Child> child = launch(spec);
  REQUIRE(child);
  CHECK(getpgid(child->pid()) == child->pid());
}

TEST_CASE("pidfd becomes readable when the child ends") {
  Result<Child> child = launch(shell("exit 0"));
  REQUIRE(child);
  pollfd entry = {child->pidfd(), POLLIN, 0};
  CHECK(poll(&entry, 1, 0) == 0);
  REQUIRE(child->resume());
  CHECK(poll(&entry, 1, 20000) == 1);
  CHECK(child->wait(0).value().has_value());
}

TEST_CASE("destroying a child kills and reaps it, held or running") {
  pid_t held = 0, running = 0;
  {
    Result<Child> first = launch(shell("exec sleep 60"));
    REQUIRE(first);
    held = first->pid();
    Result<Child> second = launch(shell("exec sleep 60"));
    REQUIRE(second);
    REQUIRE(second->resume());
    running = second->pid();
    // Assignment ends what was there.
    *first = std::move(*second);
    CHECK_FALSE(exists(held));
    CHECK(exists(running));
  }
  CHECK_FALSE(exists(running));
}

TEST_CASE("a command that outlives us ends while it is held, and is left alone once it runs") {
  LaunchSpec spec = shell("exec sleep 60");
  spec.outlives_us = true;
  pid_t held = 0, running = 0;
  {
    Result<Child> first = launch(spec);
    Result<Child> second = launch(spec);
    REQUIRE(first);
    REQUIRE(second);
    REQUIRE(second->resume());
    held = first->pid();
    running = second->pid();
  }
  CHECK_FALSE(exists(held));
  CHECK(waitpid(running, nullptr, WNOHANG) == 0);
  ::kill(running, SIGKILL);
  CHECK(waitpid(running, nullptr, 0) == running);
}

TEST_CASE("SIGKILL of the parent ends a held child, and a running one unless it outlives us") {
  // Orphans come to us, so that their end can be seen.
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  Pipe pids;
  const pid_t tool = fork();
  REQUIRE(tool >= 0);
  if (tool == 0) {
    LaunchSpec command = shell("exec sleep 60");
    command.outlives_us = true;
    Result<Child> held = launch(command), ours = launch(shell("exec sleep 60")), other = launch(command);
    if (!held || !ours || !other || !ours->resume() || !other->resume()) _exit(1);
    const pid_t all[3] = {held->pid(), ours->pid(), other->pid()};
    if (write(pids.write.get(), all, sizeof all) != sizeof all) _exit(1);
    for (;;) pause();
  }
  pid_t all[3] = {};
  REQUIRE(read(pids.read.get(), all, sizeof all) == sizeof all);
  for (pid_t pid : all) CHECK(exists(pid));
  ::kill(tool, SIGKILL);
  waitpid(tool, nullptr, 0);
  for (pid_t pid : {all[0], all[1]}) {
    int status = 0;
    pid_t reaped = -1;
    CHECK(eventually([&] { return (reaped = waitpid(pid, &status, WNOHANG)) != 0; }));
    // -1: it ended before we became its parent and somebody else reaped it.
    if (reaped == pid) CHECK((WIFSIGNALED(status) || WIFEXITED(status)));
    CHECK_FALSE(exists(pid));
  }
  // A signal of the parent's death would have come before the new parent could be asked.
  CHECK(waitpid(all[2], nullptr, WNOHANG) == 0);
  ::kill(all[2], SIGKILL);
  CHECK(waitpid(all[2], nullptr, 0) == all[2]);
  prctl(PR_SET_CHILD_SUBREAPER, 0);
}

}  // namespace netpoll::probes
