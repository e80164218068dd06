// Signal handlers that do nothing but make a descriptor readable.
#include "cli/system/interrupt.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>

#include "libruntime/base/clock.h"
#include "libruntime/base/posix.h"
#include "libruntime/base/syscall.h"

namespace netpoll::cli {
namespace {

// timeout(1) and others signal a process and then its group. What follows so soon is the same request.
constexpr std::int64_t kEchoNs = 250'000'000;

// The handler has no argument to carry an object in.
std::atomic<int> received{0};
std::atomic<std::int64_t> received_at_ns{0};
std::atomic<bool> by_keyboard{false};
std::atomic<bool> keyboard_shared{false};
std::atomic<int> pipe_end{-1};
std::atomic<void (*)()> last_act{nullptr};

void on_signal(int signal, siginfo_t* info, void*) {
  const int saved = errno;
  const std::int64_t now = base::nanotime();
  if (received.load() == 0) {
    // Set before the signal is, which is what others look at.
    by_keyboard.store(base::sent_by_kernel(info->si_code, info->si_pid));
    received_at_ns.store(now);
    received.store(signal);
    const char byte = 0;
    [[maybe_unused]] const ssize_t n = ::write(pipe_end.load(), &byte, 1);
  } else if (now - received_at_ns.load() >= kEchoNs && !(signal == SIGINT && keyboard_shared.load())) {
    if (void (*act)() = last_act.load(); act != nullptr) act();
    ::signal(signal, SIG_DFL);
    ::raise(signal);  // delivered when we return
  }
  errno = saved;
}

// A handler where SIG_IGN would do: an exec resets it.
void do_nothing(int) {}

void handle(int signal, void (*handler)(int)) {
  struct sigaction action {};
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART;
  ::sigaction(signal, &action, nullptr);
}

void remember(int signal) {
  struct sigaction action {};
  action.sa_sigaction = on_signal;
  action.sa_flags = SA_SIGINFO;
  // One at a time.
  for (const int other : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&action.sa_mask, other);
  ::sigaction(signal, &action, nullptr);
}

bool is_ignored(int signal) {
  struct sigaction action {};
  return ::sigaction(signal, nullptr, &action) == 0 && action.sa_handler == SIG_IGN;
}

std::vector<int> ignored_now() {
  std::vector<int> signals;
  for (int signal = 1; signal < NSIG; ++signal) {
    if (is_ignored(signal)) signals.push_back(signal);
  }
  return signals;
}

}  // namespace

Result<Interrupt> Interrupt::install() {
  int ends[2];
  const long made = base::sys(SYS_pipe2, ends, O_CLOEXEC | O_NONBLOCK);
  if (made < 0) return posix_error("pipe2", static_cast<int>(-made));
  Interrupt interrupt{Fd(ends[0]), Fd(ends[1]), ignored_now()};
  pipe_end.store(ends[1]);
  remember(SIGINT);
  remember(SIGTERM);
  if (!is_ignored(SIGHUP)) remember(SIGHUP);
  handle(SIGPIPE, do_nothing);
  if (is_ignored(SIGCHLD)) handle(SIGCHLD, SIG_DFL);
  return interrupt;
}

Interrupt::~Interrupt() {
  if (!read_.valid()) return;
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    if (!is_ignored(signal)) handle(signal, SIG_DFL);
  }
  pipe_end.store(-1);
  received.store(0);
}

void Interrupt::share_keyboard(bool shared) {
  keyboard_shared.store(shared);
  if (!is_ignored(SIGQUIT)) handle(SIGQUIT, shared ? do_nothing : SIG_DFL);
}

void Interrupt::before_death(void (*act)()) { last_act.store(act); }

bool Interrupt::from_keyboard() const { return requested() && by_keyboard.load(); }

std::optional<int> Interrupt::signal() const {
  const int signal = received.load();
  return signal == 0 ? std::nullopt : std::optional<int>(signal);
}

ExitStatus Interrupt::status() const { return pass_through(128 + signal().value_or(SIGINT)); }

}  // namespace netpoll::cli
