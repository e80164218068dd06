// Prey: a test program that runs beside the test, says on its standard output what is true about it, and ends when its
// standard input does.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "netpoll/fd.h"
#include "probes/launch/child.h"

namespace netpoll::test {

class Prey {
 public:
  // Starts argv and reads its lines until one is "ready". valid() says whether it came so far.
  explicit Prey(std::vector<std::string> argv) {
    int in[2];
    int out[2];
    if (pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0) return;
    Fd child_in(in[0]);
    Fd child_out(out[1]);
    to_child_.reset(in[1]);
    from_child_.reset(out[0]);
    probes::LaunchSpec spec;
    spec.argv = std::move(argv);
    spec.fds = {{child_in.get(), 0}, {child_out.get(), 1}};
    auto child = probes::launch(spec);
    if (!child || !child->resume()) return;
    child_.emplace(std::move(*child));
    child_out.reset();
    while (!ready_ && read_line()) {
    }
  }

  bool valid() const { return ready_; }
  pid_t pid() const { return child_ ? child_->pid() : -1; }
  // What it printed before "ready".
  const std::vector<std::string>& lines() const { return lines_; }

  // Ends its standard input and waits for its end.
  void finish() {
    to_child_.reset();
    if (child_) (void)child_->wait(-1);
  }
  void kill() {
    if (child_) (void)child_->kill();
  }

 private:
  bool read_line() {
    std::string line;
    for (char c; ::read(from_child_.get(), &c, 1) == 1;) {
      if (c != '\n') {
        line += c;
        continue;
      }
      ready_ = line == "ready";
      if (!ready_) lines_.push_back(line);
      return true;
    }
    return false;
  }

  Fd to_child_;
  Fd from_child_;
  std::optional<probes::Child> child_;
  std::vector<std::string> lines_;
  bool ready_ = false;
};

// "goroutine goid=7 fd=3" -> the value of a name, empty when it is missing.
inline std::string truth(const std::string& line, const std::string& name) {
  const auto at = line.find(" " + name + "=");
  if (at == std::string::npos) return {};
  const auto begin = at + name.size() + 2;
  return line.substr(begin, line.find(' ', begin) - begin);
}

}  // namespace netpoll::test
