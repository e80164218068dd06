// death.h: for tests of fatal errors: runs code in a child process and hands over how it ended.
#pragma once

#include <string>

#include "tests/support/skip.h"

#if !defined(_WIN32)
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#define NETPOLL_SKIP_WITHOUT_FORK() static_cast<void>(0)
#else
// At the beginning of a case that uses dies().
#define NETPOLL_SKIP_WITHOUT_FORK() NETPOLL_SKIP("Windows has no fork(2)")
#endif

namespace netpoll::test {

struct Death {
  bool aborted = false;
  std::string message;  // what it wrote to stderr
};

// Runs f in a fork. Call it while the process has one thread.
template <typename F>
Death dies([[maybe_unused]] F&& f) {
#if defined(_WIN32)
  return {};
#else
  int ends[2];
  if (pipe(ends) != 0) return {};
  const pid_t child = fork();
  if (child == 0) {
    // No core file, and no report of the test framework or a sanitizer about the signal.
    signal(SIGABRT, SIG_DFL);
    dup2(ends[1], STDERR_FILENO);
    f();
    _exit(0);
  }
  close(ends[1]);
  Death death;
  char buffer[512];
  for (ssize_t n = 0; (n = read(ends[0], buffer, sizeof buffer)) > 0;) death.message.append(buffer, n);
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  death.aborted = WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
  return death;
#endif
}

}  // namespace netpoll::test
