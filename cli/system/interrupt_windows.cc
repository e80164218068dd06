// The console's Ctrl-C and Ctrl-Break, remembered by a handler that runs on a thread of its own.
#include "cli/system/interrupt.h"

#include <windows.h>

#include <atomic>
#include <csignal>

namespace netpoll::cli {
namespace {

// The handler has no argument to carry an object in.
std::atomic<int> received{0};

// FALSE leaves a second one to the console's own handler, which ends the process.
BOOL WINAPI on_event(DWORD event) {
  if (event != CTRL_C_EVENT && event != CTRL_BREAK_EVENT) return FALSE;
  int nothing = 0;
  return received.compare_exchange_strong(nothing, event == CTRL_C_EVENT ? SIGINT : SIGTERM) ? TRUE : FALSE;
}

}  // namespace

Result<Interrupt> Interrupt::install() {
  SetConsoleCtrlHandler(on_event, TRUE);
  // Nothing waits for descriptors there: requested() is asked now and then.
  return Interrupt{Fd(), Fd(), {}};
}

Interrupt::~Interrupt() = default;

std::optional<int> Interrupt::signal() const {
  const int signal = received.load();
  return signal == 0 ? std::nullopt : std::optional<int>(signal);
}

ExitStatus Interrupt::status() const { return pass_through(128 + signal().value_or(SIGINT)); }

}  // namespace netpoll::cli
