// Tool: the real netpoll-trace binary under test, as a process with pipes on its streams.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "netpoll/fd.h"
#include "tests/support/eventually.h"
#include "tests/support/temp_dir.h"

namespace netpoll::test {

struct ToolResult {
  int exit_code = -1;  // -1: ended by a signal
  int signal = 0;
  std::string out;
  std::string err;
};

struct ToolOptions {
  std::string program = NETPOLL_TRACE_BINARY;
  // Runs in the child right before exec: limits, identity, namespaces. False makes the child exit with 99.
  std::function<bool()> before_exec;
  std::vector<std::string> env;      // "NAME=value", replacing what is inherited
  std::string input;                 // standard input
  int out_fd = -1;                   // standard output instead of a pipe; -2: closed
  bool new_session = true;           // so that no terminal is involved
  std::chrono::minutes patience{3};  // of finish()
};

// One thread at a time. The destructor kills the process if it still runs.
class Tool {
 public:
  Tool(const std::vector<std::string>& arguments, ToolOptions options = {});
  ~Tool();
  Tool(const Tool&) = delete;
  Tool& operator=(const Tool&) = delete;

  pid_t pid() const { return pid_; }
  // Reads standard error until it contains text. False when the process ended before, or after a minute.
  bool wait_for_error_text(const std::string& text);
  // Reads standard output until it contains text so many times. False as above.
  bool wait_for_output(const std::string& text, std::size_t times);
  const std::string& error_text() const { return result_.err; }
  void send(int signal) const;
  // Reads both streams to their end and reaps. When patience ends the process is killed.
  ToolResult finish();

  // The processes that descend from this run and still live: none soon after finish(), if the tool keeps its word.
  bool leaves_no_process() const;

 private:
  bool pump(std::chrono::milliseconds timeout);

  pid_t pid_ = -1;
  Fd out_;
  Fd err_;
  std::string mark_;
  const std::chrono::minutes patience_;
  ToolResult result_;
};

// Starts and finishes.
ToolResult run_tool(const std::vector<std::string>& arguments, ToolOptions options = {});

// Runs the tool as an ordinary user, which only root can; `first` is what to do before.
ToolOptions as_nobody(std::function<bool()> first = nullptr);

// A child that sleeps, killed at the end of its scope.
class Sleeper {
 public:
  Sleeper();
  ~Sleeper();
  Sleeper(const Sleeper&) = delete;
  Sleeper& operator=(const Sleeper&) = delete;
  pid_t pid() const { return pid_; }
  void kill();

 private:
  pid_t pid_ = -1;
};

std::string read_file(const std::string& path);

// Ids of BPF programs that no living process holds and that were not there when the object was made: what a tool would
// have left behind. Needs root.
class BpfWatch {
 public:
  BpfWatch();
  bool usable() const { return usable_; }
  bool nothing_left() const;

 private:
  bool usable_ = false;
  std::vector<unsigned> before_;
};

}  // namespace netpoll::test
