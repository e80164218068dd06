#include "cli/interrupt.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>

namespace netpoll::cli {
namespace {

// The handler has no argument to carry an object in.
std::atomic<int> received{0};
std::atomic<int> pipe_end{-1};

void on_signal(int signal) {
  const int saved = errno;
  int none = 0;
  if (received.compare_exchange_strong(none, signal)) {
    const char byte = 0;
    [[maybe_unused]] const ssize_t n = ::write(pipe_end.load(), &byte, 1);
  }
  errno = saved;
}

void ignored_pipe(int) {}

void handle(int signal, void (*handler)(int), int flags) {
  struct sigaction action {};
  action.sa_handler = handler;
  action.sa_flags = flags;
  ::sigaction(signal, &action, nullptr);
}

bool is_ignored(int signal) {
  struct sigaction action {};
  return ::sigaction(signal, nullptr, &action) == 0 && action.sa_handler == SIG_IGN;
}

}  // namespace

Result<Interrupt> Interrupt::install() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return posix_error("pipe2", errno);
  Interrupt interrupt{Fd(ends[0]), Fd(ends[1])};
  pipe_end.store(ends[1]);
  // SA_RESETHAND: the second signal finds the default action.
  handle(SIGINT, on_signal, static_cast<int>(SA_RESETHAND));
  handle(SIGTERM, on_signal, static_cast<int>(SA_RESETHAND));
  if (!is_ignored(SIGHUP)) handle(SIGHUP, on_signal, static_cast<int>(SA_RESETHAND));
  handle(SIGPIPE, ignored_pipe, SA_RESTART);
  return interrupt;
}

Interrupt::~Interrupt() {
  if (!read_.valid()) return;
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    if (!is_ignored(signal)) handle(signal, SIG_DFL, 0);
  }
  pipe_end.store(-1);
  received.store(0);
}

std::optional<int> Interrupt::signal() const {
  const int signal = received.load();
  return signal == 0 ? std::nullopt : std::optional<int>(signal);
}

ExitStatus Interrupt::status() const { return pass_through(128 + signal().value_or(SIGINT)); }

}  // namespace netpoll::cli
