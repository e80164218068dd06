// Interrupt: Ctrl-C and its relatives as a readable descriptor, so that a command ends its work in order and prints
// what it has.
#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "cli/exit_status.h"
#include "netpoll/fd.h"
#include "netpoll/result.h"

namespace netpoll::probes {
class Child;
struct ChildExit;
}  // namespace netpoll::probes

namespace netpoll::cli {

// At most one exists at a time: signal dispositions belong to the process. Handlers and not blocked signals, because
// an exec resets handlers to their defaults and would hand blocked or ignored signals on to the child.
class Interrupt {
 public:
  // Takes SIGINT, SIGTERM and SIGHUP (unless the caller had us ignore it, as nohup does). The first one is remembered;
  // a second one ends the process, in case ending in order takes too long, unless it comes so soon that it is but the
  // echo of the first. SIGPIPE no longer kills, so that a reader who left is an error value of write(), and SIGCHLD is
  // not ignored, so that children can be waited for.
  static Result<Interrupt> install();
  Interrupt(Interrupt&&) noexcept = default;
  Interrupt& operator=(Interrupt&&) = delete;
  ~Interrupt();

  // Signals that our caller had us ignore. A command that we start is to ignore them as well, whatever we do with them.
  const std::vector<int>& ignored_by_caller() const { return ignored_by_caller_; }

  // While a command of the user shares our terminal, the keyboard is the command's: Ctrl-C and Ctrl-\ reach it, and it
  // decides. So the former is remembered, but never ends us at once, and the latter does nothing to us.
  void share_keyboard(bool shared);

  // What a second signal, which ends the process, still does first: to leave the terminal as it was. Null: nothing.
  // Must be safe in a signal handler.
  static void before_death(void (*last_act)());

  // Readable, for good, from the first signal on.
  int fd() const { return read_.get(); }
  bool requested() const { return signal().has_value(); }
  std::optional<int> signal() const;
  // Whether the terminal sent it, to every process in its foreground.
  bool from_keyboard() const;
  // 130 for SIGINT, 143 for SIGTERM, 129 for SIGHUP.
  ExitStatus status() const;

 private:
  Interrupt(Fd read, Fd write, std::vector<int> ignored)
      : read_(std::move(read)), write_(std::move(write)), ignored_by_caller_(std::move(ignored)) {}

  Fd read_;
  Fd write_;
  std::vector<int> ignored_by_caller_;
};

// Asks a command that is still running to end: with the signal that ended us, or as perf stat --timeout does. One that
// does not obey within some seconds is left to live as it would have without us (nothing), or killed.
Result<std::optional<probes::ChildExit>> ask_to_end(probes::Child& command, bool kill, const Interrupt& interrupt);

// Where shared, the keyboard belongs to the command for as long as this lives.
class SharedKeyboard {
 public:
  SharedKeyboard(Interrupt& interrupt, bool shared) : interrupt_(interrupt) { interrupt.share_keyboard(shared); }
  ~SharedKeyboard() { interrupt_.share_keyboard(false); }
  SharedKeyboard(const SharedKeyboard&) = delete;
  SharedKeyboard& operator=(const SharedKeyboard&) = delete;

 private:
  Interrupt& interrupt_;
};

}  // namespace netpoll::cli
