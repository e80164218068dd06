// Child: a process of ours that is held before its exec, so that probes attach first and count from the first call.
#pragma once

#include <linux/filter.h>
#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "netpoll/fd.h"
#include "netpoll/result.h"
#include "probes/launch/child_exit.h"

namespace netpoll::probes {

class ExitRelay;

// One descriptor that the child gets: our `from` becomes its `to`. 0, 1 and 2 are redirections.
struct InheritedFd {
  int from = -1;
  int to = -1;
};

struct LaunchSpec {
  // argv[0] is looked up in the caller's PATH unless it contains a slash.
  std::vector<std::string> argv;
  // "NAME=value", each added to the caller's environment or replacing an entry of it.
  std::vector<std::string> set_env;
  // 0, 1 and 2 stay the caller's unless they are named here. Two rows may share `from`, and may swap numbers.
  std::vector<InheritedFd> fds;
  // True: every descriptor above 2 that `fds` does not name is closed in the child. False: those without
  // close-on-exec pass through as well (a user's command expects what the shell opened for it, as under strace).
  bool close_other_fds = true;
  // True: a process group of its own, so that Ctrl-C at the terminal reaches the tool alone. Such a child cannot read
  // from the terminal.
  bool own_group = false;

  // Signals that the child ignores: those that our own caller had us ignore, where we handle them now.
  std::vector<int> ignored_signals;
  // False: the child is a part of us and never outlives us (see Child). True: it is somebody's command, and from
  // resume() on it lives as if we were not there.
  bool outlives_us = false;
  // True: a Source may do what obliges it to kill, as it goes, all that the child has started (the seccomp filter of
  // ptrace). Not beside outlives_us.
  bool dies_with_source = false;

  // Wishes of a Source, filled in by Source::prepare(); others leave them alone.
  // True: we may trace the child before its exec, also where we are not dumpable ourselves.
  bool traceable = false;
  // A seccomp program that the child installs on itself as its last step before exec.
  std::vector<sock_filter> seccomp_filter;
  // Set where a thread of this process traces the child and so receives its exit status in our place.
  std::shared_ptr<ExitRelay> exit_relay;
};

// A child process: held from launch() to resume(), then running, then reaped. While it is held it ends with the tool,
// however that ends, since the channel that it waits on closes.
//
// Afterwards, unless LaunchSpec::outlives_us: PR_SET_PDEATHSIG kills it when the thread that called launch() ends, for
// whatever reason, SIGKILL included. So call launch() from a thread that lives as long as the child, usually main. The
// kernel clears that wish when the child executes a set-user-ID, set-group-ID or file-capability program
// (PR_SET_PDEATHSIG(2const)): such a program does outlive a SIGKILL of the tool, as do processes that the child forks.
//
// Move-only, not thread-safe; one thread at a time may call launch(), since a fork copies every descriptor. The
// destructor kills and reaps a child that still lives; one that outlives us and runs it leaves alone. No other code
// may wait for this pid.
class Child {
 public:
  Child(Child&&) noexcept;
  Child& operator=(Child&&) noexcept;
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child();

  pid_t pid() const;
  // Readable (poll) once the child has ended; owned by the Child and valid as long as it is.
  int pidfd() const;

  // Lets the child exec, and returns when that succeeded. On failure the Error carries exec's errno (see
  // exec_failure_code) and the child has ended. A child killed while it was held counts as resumed: wait() tells.
  Result<void> resume();

  // Waits until the child has ended, at most timeout_ms (-1: for ever), and reaps it. nullopt: it still lives. Once it
  // has returned a status it returns the same again.
  Result<std::optional<ChildExit>> wait(int timeout_ms);

  // Sends a signal; a child that has ended already is no error.
  Result<void> send(int signal);
  // Sends SIGKILL, and returns how the child ended.
  Result<ChildExit> kill();

 private:
  struct State;
  friend Result<Child> launch(const LaunchSpec& spec);
  explicit Child(std::unique_ptr<State> state);
  void let_go();

  std::unique_ptr<State> state_;
};

// Forks a child and returns when it has set itself up and waits for resume(). Its signals: blocked are those that the
// calling thread blocks, ignored those that we ignore and LaunchSpec::ignored_signals; the others have their default,
// so Ctrl-C ends it even while it is held.
Result<Child> launch(const LaunchSpec& spec);

// The exit status that shells, strace and perf give for an exec failure: 127 when the command was not found, else 126.
int exec_failure_code(const Error& error);

}  // namespace netpoll::probes
