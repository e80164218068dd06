// Prey: a test program that runs beside the test, says on its standard output what is true about it, then "ready", and
// goes on when it gets a byte on its standard input, or its end.
#pragma once

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <fstream>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "netpoll/fd.h"
#include "probes/launch/child.h"
#include "tests/support/eventually.h"

namespace netpoll::test {

class Prey {
 public:
  // Starts argv and reads its lines until one is "ready". valid() says whether it came so far.
  explicit Prey(std::vector<std::string> argv) {
    int in[2];
    int out[2];
    if (pipe2(in, O_CLOEXEC) != 0) return;
    Fd child_in(in[0]);
    to_child_.reset(in[1]);
    if (pipe2(out, O_CLOEXEC) != 0) return;
    Fd child_out(out[1]);
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
  // Waits until its main thread sleeps in the call behind "ready".
  bool sleeps() const {
    return ready_ && eventually([this] {
             std::string stat;
             std::getline(std::ifstream("/proc/" + std::to_string(pid()) + "/stat"), stat);
             const auto end = stat.rfind(')');
             return end != std::string::npos && stat.compare(end, 3, ") S") == 0;
           });
  }
  pid_t pid() const { return child_ ? child_->pid() : -1; }
  probes::Child& child() { return *child_; }
  // What it printed before "ready".
  const std::vector<std::string>& lines() const { return lines_; }

  // Lets it go on.
  void poke() {
    if (::write(to_child_.get(), "x", 1) != 1) to_child_.reset();
  }
  // Everything it said and still says until it ends.
  std::string rest() {
    std::string output;
    for (const std::string& line : lines_) output += line + "\n";
    char buffer[4096];
    for (ssize_t n; (n = read_some(buffer, sizeof(buffer))) > 0;) output.append(buffer, static_cast<std::size_t>(n));
    wait();
    return output;
  }
  // Ends its standard input and waits for its end.
  void finish() {
    to_child_.reset();
    wait();
  }
  void kill() {
    if (child_) (void)child_->kill();
  }

 private:
  // As read(2); 0 also when nothing comes within kPatience.
  ssize_t read_some(char* buffer, std::size_t size) const {
    pollfd ready{from_child_.get(), POLLIN, 0};
    constexpr auto kLimit = std::chrono::milliseconds(kPatience);
    for (;;) {
      const int found = ::poll(&ready, 1, static_cast<int>(kLimit.count()));
      if (found == 0) return 0;
      const ssize_t n = found < 0 ? -1 : ::read(from_child_.get(), buffer, size);
      if (n >= 0 || errno != EINTR) return n;
    }
  }
  bool read_line() {
    std::string line;
    for (char c; read_some(&c, 1) == 1;) {
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
  // One that does not end is killed by ~Child.
  void wait() {
    if (child_) (void)child_->wait(static_cast<int>(std::chrono::milliseconds(kPatience).count()));
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
