// Fork, hold, exec and reap of a child.
#include "probes/launch/child.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <utility>

#include "probes/launch/child_setup.h"
#include "probes/launch/exit_relay.h"

namespace netpoll::probes {
namespace {

// Reads one report. nullopt: the pipe closed, which means that exec succeeded or that the child was killed.
std::optional<SetupReport> read_report(int fd) {
  SetupReport message;
  ssize_t n = 0;
  do n = read(fd, &message, sizeof message);
  while (n < 0 && errno == EINTR);
  if (n != sizeof message) return std::nullopt;
  return message;
}

std::string exec_hint(const SetupReport& report, const std::string& command) {
  switch (report.sys_errno) {
    case ENOENT:
      if (command.find('/') == std::string::npos) return "no '" + command + "' in PATH; give the path of the program";
      return "there is no such file, or it names an interpreter that does not exist";
    case ENOEXEC:
      return "it is no program of this machine; a script begins with #! and its interpreter";
    default:
      return "is it an executable file? chmod +x makes it one";
  }
}

Error setup_error(const SetupReport& report, const std::string& command) {
  if (report.step == SetupStep::kExec) {
    return posix_error("cannot execute '" + command + "'", report.sys_errno).with_hint(exec_hint(report, command));
  }
  return posix_error("cannot start '" + command + "': " + setup_step_name(report.step), report.sys_errno);
}

ChildExit decode(int wait_status) {
  if (WIFSIGNALED(wait_status)) return {0, WTERMSIG(wait_status)};
  return {WEXITSTATUS(wait_status), 0};
}

// Waits until the process has ended. Returns whether it has, within timeout_ms (-1: for ever).
Result<bool> wait_ended(int pidfd, int timeout_ms) {
  using Clock = std::chrono::steady_clock;
  const auto deadline = Clock::now() + std::chrono::milliseconds(timeout_ms);
  for (;;) {
    pollfd entry = {pidfd, POLLIN, 0};
    const int n = poll(&entry, 1, timeout_ms);
    if (n >= 0) return n > 0;
    if (errno != EINTR) return posix_error("poll(pidfd)", errno);
    if (timeout_ms > 0) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
      timeout_ms = left > 0 ? static_cast<int>(left) : 0;
    }
  }
}

}  // namespace

struct Child::State {
  pid_t pid = -1;
  Fd pidfd;
  Fd hold;    // write end; invalid once resumed
  Fd status;  // read end
  bool outlives_us = false;
  std::string command;
  std::shared_ptr<ExitRelay> relay;
  std::optional<ChildExit> ended;
};

Child::Child(std::unique_ptr<State> state) : state_(std::move(state)) {}
Child::Child(Child&&) noexcept = default;

Child& Child::operator=(Child&& other) noexcept {
  if (this == &other) return *this;
  let_go();
  state_ = std::move(other.state_);
  return *this;
}

Child::~Child() { let_go(); }

void Child::let_go() {
  if (state_ == nullptr) return;
  const bool resumed = !state_->hold.valid();
  if (state_->outlives_us && resumed) {
    (void)wait(0);
  } else {
    (void)kill();
  }
}

pid_t Child::pid() const { return state_->pid; }
int Child::pidfd() const { return state_->pidfd.get(); }

Result<void> Child::resume() {
  if (!state_->hold.valid()) return {};
  const char go = 1;
  // The other end is closed if the child was killed while it was held; no SIGPIPE for that.
  while (::send(state_->hold.get(), &go, 1, MSG_NOSIGNAL) < 0 && errno == EINTR) {
  }
  state_->hold.reset();

  const std::optional<SetupReport> report = read_report(state_->status.get());
  state_->status.reset();
  if (!report) return {};
  (void)wait(-1);
  return setup_error(*report, state_->command);
}

Result<std::optional<ChildExit>> Child::wait(int timeout_ms) {
  if (state_->ended) return state_->ended;
  Result<bool> ended = wait_ended(pidfd(), timeout_ms);
  if (!ended) return std::move(ended).error();
  if (!*ended) return std::optional<ChildExit>();

  // Only now: a wait for a child that still lives and that a thread of ours traces would swallow its ptrace stops.
  std::optional<int> wait_status;
  if (state_->relay != nullptr) wait_status = state_->relay->await();
  if (!wait_status) {
    int status = 0;
    pid_t pid = 0;
    do pid = waitpid(state_->pid, &status, __WALL);
    while (pid < 0 && errno == EINTR);
    if (pid < 0) return posix_error("waitpid " + std::to_string(state_->pid), errno);
    wait_status = status;
  }
  state_->ended = decode(*wait_status);
  return state_->ended;
}

Result<void> Child::send(int signal) {
  if (state_->ended) return {};
  if (syscall(SYS_pidfd_send_signal, pidfd(), signal, nullptr, 0U) != 0 && errno != ESRCH) {
    return posix_error("cannot signal pid " + std::to_string(state_->pid), errno);
  }
  return {};
}

Result<ChildExit> Child::kill() {
  if (Result<void> sent = send(SIGKILL); !sent) return std::move(sent).error();
  Result<std::optional<ChildExit>> ended = wait(-1);
  if (!ended) return std::move(ended).error();
  return **ended;
}

Result<Child> launch(const LaunchSpec& spec) {
  if (spec.argv.empty() || spec.argv[0].empty()) return Error(ErrorKind::kInvalid, "no command to execute");
  int hold[2], status[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, hold) != 0) return posix_error("socketpair", errno);
  Fd hold_read(hold[0]), hold_write(hold[1]);
  if (pipe2(status, O_CLOEXEC) != 0) return posix_error("pipe", errno);
  Fd status_read(status[0]), status_write(status[1]);

  ChildPlan plan(spec);
  plan.hold_fd = hold_read.get();
  plan.status_fd = status_write.get();

  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &plan.blocked);
  const pid_t pid = fork();
  const int fork_errno = errno;
  if (pid == 0) {
    // Our copy would keep the hold channel open after the parent has ended.
    hold_write.reset();
    status_read.reset();
    run_child(plan);
  }
  pthread_sigmask(SIG_SETMASK, &plan.blocked, nullptr);
  if (pid < 0) return posix_error("fork", fork_errno);
  hold_read.reset();
  status_write.reset();

  auto state = std::make_unique<Child::State>();
  state->pid = pid;
  // Nobody reaps the child before we do, so the number cannot have been given to another process.
  state->pidfd.reset(static_cast<int>(syscall(SYS_pidfd_open, pid, 0U)));
  if (!state->pidfd.valid()) {
    const int error = errno;
    ::kill(pid, SIGKILL);
    waitpid(pid, nullptr, 0);
    return posix_error("pidfd_open", error).with_hint("netpoll-trace needs Linux 5.4 or newer");
  }
  state->hold = std::move(hold_write);
  state->status = std::move(status_read);
  state->command = spec.argv[0];
  state->relay = spec.exit_relay;
  state->outlives_us = spec.outlives_us;
  Child child(std::move(state));

  const std::optional<SetupReport> report = read_report(child.state_->status.get());
  if (!report) return Error(ErrorKind::kSystem, "cannot start '" + spec.argv[0] + "': it was killed while it set up");
  if (report->step != SetupStep::kNone) return setup_error(*report, spec.argv[0]);
  return child;
}

int exec_failure_code(const Error& error) { return error.sys_errno() == ENOENT ? 127 : 126; }

}  // namespace netpoll::probes
