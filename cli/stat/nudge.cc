// A signal handler that does nothing but make a pipe readable.
#include "cli/stat/nudge.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>

namespace netpoll::cli {
namespace {

std::atomic<int> pipe_end{-1};

void on_signal(int) {
  const int saved = errno;
  const char byte = 0;
  // Full: there is enough to read.
  [[maybe_unused]] const ssize_t n = ::write(pipe_end.load(), &byte, 1);
  errno = saved;
}

void handle(void (*handler)(int)) {
  struct sigaction now {};
  if (::sigaction(SIGUSR1, nullptr, &now) == 0 && now.sa_handler == SIG_IGN) return;
  struct sigaction action {};
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART;
  ::sigaction(SIGUSR1, &action, nullptr);
}

}  // namespace

Result<Nudge> Nudge::install() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return posix_error("pipe2", errno);
  Nudge nudge{Fd(ends[0]), Fd(ends[1])};
  pipe_end.store(ends[1]);
  handle(on_signal);
  return nudge;
}

Nudge::~Nudge() {
  if (!read_.valid()) return;
  handle(SIG_DFL);
  pipe_end.store(-1);
}

bool Nudge::take() {
  std::array<char, 64> bytes{};
  bool any = false;
  while (::read(read_.get(), bytes.data(), bytes.size()) > 0) any = true;
  return any;
}

}  // namespace netpoll::cli
