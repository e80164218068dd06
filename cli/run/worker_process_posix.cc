// A process by posix_spawn(3), with two pipes beside its standard streams.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <thread>
#include <utility>

#include "cli/run/worker_process.h"
#include "cli/workload/protocol.h"
#include "libruntime/base/posix.h"

extern char** environ;

namespace netpoll::cli {
namespace {

// What the worker finds its ends of the pipes under.
constexpr int kControlFd = 3;
constexpr int kReportFd = 4;

constexpr std::chrono::milliseconds kLook{10};

// Reads lines until the writer is gone. A failure to read is the end too.
void read_lines(int pipe, Role role, Mailbox& mailbox) {
  workload::LineReader reader(pipe);
  while (!reader.at_end()) {
    pollfd ready{.fd = pipe, .events = POLLIN, .revents = 0};
    if (::poll(&ready, 1, -1) < 0 && errno != EINTR) break;
    auto lines = reader.read();
    if (!lines) break;
    for (std::string& line : *lines) mailbox.put({role, std::move(line)});
  }
  mailbox.put({role, std::nullopt});
}

// A number that no descriptor of the child has, so that two of them may change places.
Result<void> move_up(Fd& fd) {
  fd.reset(::fcntl(fd.get(), F_DUPFD_CLOEXEC, kReportFd + 1));
  return fd.valid() ? Result<void>() : posix_error("fcntl(F_DUPFD_CLOEXEC)", errno);
}

}  // namespace

std::string own_path() { return base::own_path(); }

struct WorkerProcess::State {
  workload::Link link;
  pid_t pid = -1;
  std::optional<int> status;  // once reaped
  std::thread reader;
};

WorkerProcess::WorkerProcess() : state_(std::make_unique<State>()) {}

WorkerProcess::~WorkerProcess() {
  if (state_->pid > 0 && !state_->status) {
    ::kill(state_->pid, SIGKILL);
    ending(std::chrono::milliseconds::max());
  }
  if (state_->reader.joinable()) state_->reader.join();
}

Result<void> WorkerProcess::start(const WorkerArguments& arguments, Role role, Mailbox& mailbox) {
  auto link = workload::make_link();
  if (!link) return std::move(link).error();
  state_->link = std::move(*link);
  for (Fd* end : {&state_->link.child_control, &state_->link.child_report}) {
    if (auto moved = move_up(*end); !moved) return moved;
  }
  const std::string exe = own_path();
  std::vector<std::string> words = {exe};
  for (std::string& argument : arguments(kControlFd, kReportFd)) words.push_back(std::move(argument));
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);

  posix_spawn_file_actions_t actions;
  if (const int error = ::posix_spawn_file_actions_init(&actions); error != 0) return posix_error("posix_spawn", error);
  // Our standard output is for the result; what a worker has to say beside its report goes to standard error.
  ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDWR, 0);
  ::posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions, state_->link.child_control.get(), kControlFd);
  ::posix_spawn_file_actions_adddup2(&actions, state_->link.child_report.get(), kReportFd);
  const int error = ::posix_spawn(&state_->pid, exe.c_str(), &actions, nullptr, argv.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  state_->link.child_control.reset();
  state_->link.child_report.reset();
  if (error != 0) {
    state_->pid = -1;
    return posix_error("start " + exe, error);
  }
  state_->reader = std::thread([pipe = state_->link.report.get(), role, &mailbox] { read_lines(pipe, role, mailbox); });
  return {};
}

int WorkerProcess::pid() const { return state_->pid; }
void WorkerProcess::stop() { state_->link.control.reset(); }

std::optional<std::string> WorkerProcess::ending(std::chrono::milliseconds longest) {
  for (auto left = longest; !state_->status; left -= kLook) {
    int status = 0;
    const pid_t reaped = ::waitpid(state_->pid, &status, WNOHANG);
    if (reaped == state_->pid) {
      state_->status = status;
    } else if ((reaped < 0 && errno != EINTR) || left <= std::chrono::milliseconds::zero()) {
      return std::nullopt;
    } else {
      std::this_thread::sleep_for(kLook);
    }
  }
  if (WIFSIGNALED(*state_->status)) return std::string("was killed by ") + ::strsignal(WTERMSIG(*state_->status));
  return "ended with exit status " + std::to_string(WEXITSTATUS(*state_->status));
}

}  // namespace netpoll::cli
