// Runs the pager as a child that reads from a pipe.
#include "cli/system/pager.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>

#include "cli/exit_status.h"
#include "cli/system/screen.h"
#include "netpoll/fd.h"
#include "probes/launch/child.h"

namespace netpoll::cli {
namespace {

// Whoever leaves the pager early has seen enough.
Result<void> write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = ::write(fd, text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EPIPE) return {};
    if (n < 0) return posix_error("write to the pager", errno);
    text.remove_prefix(static_cast<std::size_t>(n));
  }
  return {};
}

}  // namespace

std::string pager_command() {
  for (const char* name : {"NETPOLL_TRACE_PAGER", "PAGER"}) {
    const char* value = std::getenv(name);
    if (value == nullptr) continue;
    const std::string command = value;
    return command == "cat" ? std::string() : command;
  }
  return "less -FRSX";
}

bool is_longer_than_screen(std::string_view text, int fd) {
  const auto screen = screen_of(fd);
  return screen && screen->rows > 0 && std::count(text.begin(), text.end(), '\n') >= static_cast<int>(screen->rows);
}

Result<bool> show_in_pager(const std::string& command, std::string_view text, Interrupt& interrupt) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return posix_error("make a pipe to the pager", errno);
  const Fd read(ends[0]);
  Fd write(ends[1]);
  probes::LaunchSpec spec;
  spec.argv = {"/bin/sh", "-c", command};
  spec.fds = {{.from = read.get(), .to = STDIN_FILENO}};
  spec.ignored_signals = interrupt.ignored_by_caller();
  if (std::getenv("LESS") == nullptr) spec.set_env.emplace_back("LESS=FRSX");
  const SharedKeyboard shared(interrupt, true);
  auto pager = probes::launch(spec);
  if (!pager) return std::move(pager).error();
  if (!pager->resume()) return false;
  if (auto written = write_all(write.get(), text); !written) return std::move(written).error();
  write.reset();
  const auto ended = pager->wait(-1);
  if (!ended) return ended.error();
  const int code = (*ended)->shell_code();
  return code != static_cast<int>(ExitStatus::kNotFound) && code != static_cast<int>(ExitStatus::kNotExecutable);
}

}  // namespace netpoll::cli
