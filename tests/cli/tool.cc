// Runs the real binary as a child, with its streams and its end.
#include "tests/cli/tool.h"

#include <fcntl.h>
#include <linux/bpf.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "tests/support/another_user.h"

namespace netpoll::test {
namespace {

namespace fs = std::filesystem;
using std::chrono::steady_clock;

void make_pipe(Fd& read, Fd& write) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) std::abort();
  read.reset(ends[0]);
  write.reset(ends[1]);
}

// Pids of living processes whose environment holds mark.
std::vector<pid_t> processes_with(const std::string& mark) {
  std::vector<pid_t> pids;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator("/proc", ignored)) {
    const std::string name = entry.path().filename().string();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    const std::string stat = read_file("/proc/" + name + "/stat");
    const auto end = stat.rfind(')');
    if (end == std::string::npos || stat.substr(end + 2, 1) == "Z") continue;
    if (read_file("/proc/" + name + "/environ").find(mark) != std::string::npos) pids.push_back(std::stoi(name));
  }
  return pids;
}

std::vector<unsigned> bpf_programs(bool& usable) {
  std::vector<unsigned> ids;
  bpf_attr attr{};
  usable = true;
  for (;;) {
    attr.next_id = 0;
    if (::syscall(SYS_bpf, BPF_PROG_GET_NEXT_ID, &attr, sizeof attr) != 0) {
      usable = errno == ENOENT;
      return ids;
    }
    ids.push_back(attr.next_id);
    attr.start_id = attr.next_id;
  }
}

// Ids of the programs that some process holds, as descriptors of programs or of links to them.
std::set<unsigned> held_programs() {
  std::set<unsigned> ids;
  std::error_code ignored;
  for (const auto& process : fs::directory_iterator("/proc", ignored)) {
    const std::string name = process.path().filename().string();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    for (const auto& info : fs::directory_iterator(process.path() / "fdinfo", ignored)) {
      std::istringstream lines(read_file(info.path().string()));
      for (std::string line; std::getline(lines, line);) {
        if (line.starts_with("prog_id:")) ids.insert(static_cast<unsigned>(std::stoul(line.substr(8))));
      }
    }
  }
  return ids;
}

}  // namespace

Tool::Tool(const std::vector<std::string>& arguments, ToolOptions options) : patience_(options.patience) {
  static int runs = 0;
  mark_ = "NETPOLL_TEST_RUN=" + std::to_string(::getpid()) + "." + std::to_string(++runs);
  Fd out_write;
  Fd err_write;
  Fd in_read;
  Fd in_write;
  make_pipe(out_, out_write);
  make_pipe(err_, err_write);
  make_pipe(in_read, in_write);

  std::vector<char*> argv{options.program.data()};
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  options.env.push_back(mark_);
  std::vector<char*> envp;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view name(*entry, std::strcspn(*entry, "=") + 1);
    const bool replaced = std::any_of(options.env.begin(), options.env.end(),
                                      [&](const std::string& mine) { return mine.starts_with(name); });
    if (!replaced) envp.push_back(*entry);
  }
  for (std::string& entry : options.env) envp.push_back(entry.data());
  envp.push_back(nullptr);

  pid_ = ::fork();
  if (pid_ == 0) {
    if (options.new_session) ::setsid();
    ::dup2(in_read.get(), STDIN_FILENO);
    if (options.out_fd == -2) {
      ::close(STDOUT_FILENO);
    } else {
      ::dup2(options.out_fd >= 0 ? options.out_fd : out_write.get(), STDOUT_FILENO);
    }
    ::dup2(err_write.get(), STDERR_FILENO);
    if (options.before_exec && !options.before_exec()) ::_exit(99);
    ::execve(options.program.c_str(), argv.data(), envp.data());
    ::_exit(98);
  }
  [[maybe_unused]] const ssize_t n = ::write(in_write.get(), options.input.data(), options.input.size());
}

Tool::~Tool() {
  if (pid_ > 0) {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
}

// Moves what has arrived on the streams to result_. False once both are at their end.
bool Tool::pump(std::chrono::milliseconds timeout) {
  std::array<pollfd, 2> fds{{{out_.get(), POLLIN, 0}, {err_.get(), POLLIN, 0}}};
  if (!out_.valid() && !err_.valid()) return false;
  ::poll(fds.data(), fds.size(), static_cast<int>(timeout.count()));
  std::array<char, 65536> buffer{};
  const auto take = [&](const pollfd& ready, Fd& fd, std::string& text) {
    if (ready.revents == 0) return;
    const ssize_t n = ::read(ready.fd, buffer.data(), buffer.size());
    if (n > 0) {
      text.append(buffer.data(), static_cast<std::size_t>(n));
    } else {
      fd.reset();
    }
  };
  take(fds[0], out_, result_.out);
  take(fds[1], err_, result_.err);
  return out_.valid() || err_.valid();
}

bool Tool::wait_for_error_text(const std::string& text) {
  const auto deadline = steady_clock::now() + std::chrono::minutes(1);
  while (result_.err.find(text) == std::string::npos) {
    if (steady_clock::now() > deadline || !pump(std::chrono::milliseconds(100))) return false;
  }
  return true;
}

bool Tool::wait_for_output(const std::string& text, std::size_t times) {
  const auto deadline = steady_clock::now() + std::chrono::minutes(1);
  const auto seen = [&] {
    std::size_t count = 0;
    for (auto at = result_.out.find(text); at != std::string::npos; at = result_.out.find(text, at + 1)) ++count;
    return count;
  };
  while (seen() < times) {
    if (steady_clock::now() > deadline || !pump(std::chrono::milliseconds(100))) return false;
  }
  return true;
}

void Tool::send(int signal) const { ::kill(pid_, signal); }

ToolResult Tool::finish() {
  const auto deadline = steady_clock::now() + patience_;
  while (pump(std::chrono::milliseconds(100))) {
    if (steady_clock::now() > deadline) ::kill(pid_, SIGKILL);
  }
  int status = 0;
  ::waitpid(pid_, &status, 0);
  pid_ = -1;
  if (WIFEXITED(status)) result_.exit_code = WEXITSTATUS(status);
  if (WIFSIGNALED(status)) result_.signal = WTERMSIG(status);
  return result_;
}

bool Tool::leaves_no_process() const {
  return eventually([&] { return processes_with(mark_).empty(); });
}

ToolResult run_tool(const std::vector<std::string>& arguments, ToolOptions options) {
  Tool tool(arguments, std::move(options));
  return tool.finish();
}

ToolOptions as_nobody(std::function<bool()> first) {
  return {.program = for_everybody(NETPOLL_TRACE_BINARY),
          .before_exec = [first] { return (!first || first()) && become_nobody(); }};
}

Sleeper::Sleeper() : pid_(::fork()) {
  if (pid_ == 0) {
    ::execlp("sleep", "sleep", "300", nullptr);
    ::_exit(98);
  }
  // Until the exec it would still be us.
  eventually([&] { return read_file("/proc/" + std::to_string(pid_) + "/comm") == "sleep\n"; });
}

Sleeper::~Sleeper() { kill(); }

void Sleeper::kill() {
  if (pid_ < 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

BpfWatch::BpfWatch() : before_(bpf_programs(usable_)) {}

bool BpfWatch::nothing_left() const {
  return eventually([&] {
    bool usable = false;
    const auto held = held_programs();
    const auto now = bpf_programs(usable);
    return std::all_of(now.begin(), now.end(), [&](unsigned id) {
      return held.count(id) > 0 || std::find(before_.begin(), before_.end(), id) != before_.end();
    });
  });
}

}  // namespace netpoll::test
