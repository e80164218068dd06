// TalkingChild: a test program that prints "ready" when it waits for a byte on its standard input.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <fstream>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "netpoll/fd.h"
#include "probes/launch/child.h"

namespace netpoll::test {

class TalkingChild {
 public:
  explicit TalkingChild(std::vector<std::string> argv) {
    int in[2], out[2];
    if (::pipe2(in, O_CLOEXEC) != 0) return;
    Fd child_in(in[0]);
    to_.reset(in[1]);
    if (::pipe2(out, O_CLOEXEC) != 0) return;
    Fd child_out(out[1]);
    from_.reset(out[0]);
    probes::LaunchSpec spec;
    spec.argv = std::move(argv);
    spec.fds = {{child_in.get(), 0}, {child_out.get(), 1}};
    auto child = probes::launch(spec);
    if (child && child->resume()) child_.emplace(std::move(*child));
  }

  pid_t pid() const { return child_ ? child_->pid() : -1; }
  probes::Child& child() { return *child_; }

  // Reads up to "ready" and waits until the process sleeps in the call after it. False: it ended, or 10 s passed.
  bool await_ready() {
    if (!child_) return false;
    std::string line;
    for (char c; ::read(from_.get(), &c, 1) == 1;) {
      if (c != '\n') {
        line += c;
        continue;
      }
      if (line == "ready") return await_sleep();
      output_ += line + "\n";
      line.clear();
    }
    return false;
  }

  void poke() {
    if (::write(to_.get(), "x", 1) != 1) to_.reset();
  }

  // Everything it still says until it ends.
  std::string rest() {
    char buffer[4096];
    for (;;) {
      const ssize_t n = ::read(from_.get(), buffer, sizeof(buffer));
      if (n > 0) output_.append(buffer, static_cast<std::size_t>(n));
      if (n == 0 || (n < 0 && errno != EINTR)) break;
    }
    if (child_) (void)child_->wait(-1);
    return output_;
  }

 private:
  bool await_sleep() const {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (std::chrono::steady_clock::now() < deadline) {
      std::string stat;
      std::getline(std::ifstream("/proc/" + std::to_string(pid()) + "/stat"), stat);
      const auto end = stat.rfind(')');
      if (end == std::string::npos) return false;
      if (stat.compare(end, 3, ") S") == 0) return true;
      std::this_thread::yield();
    }
    return false;
  }

  Fd to_, from_;
  std::optional<probes::Child> child_;
  std::string output_;
};

}  // namespace netpoll::test
