// Runs a program from its exec to its end under a Source.
#include "tests/probes/counted_run.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <thread>

namespace netpoll::test {
namespace {

struct Pipe {
  Fd read, write;
};

Result<Pipe> make_pipe() {
  int fds[2];
  if (::pipe2(fds, O_CLOEXEC) != 0) return posix_error("pipe2", errno);
  return Pipe{Fd(fds[0]), Fd(fds[1])};
}

void read_all(int fd, std::string& into) {
  char buffer[4096];
  for (;;) {
    const ssize_t n = ::read(fd, buffer, sizeof(buffer));
    if (n > 0) into.append(buffer, static_cast<std::size_t>(n));
    if (n == 0 || (n < 0 && errno != EINTR)) return;
  }
}

Result<CountedRun> run(probes::Source* source, std::vector<std::string> argv, bool follow_forks) {
  auto pipe = make_pipe();
  if (!pipe) return std::move(pipe).error();
  const std::string exe = argv[0];
  probes::LaunchSpec spec;
  spec.argv = std::move(argv);
  spec.fds = {{pipe->write.get(), 1}};
  if (source != nullptr) source->prepare(spec);
  auto child = probes::launch(spec);
  if (!child) return std::move(child).error();
  pipe->write.reset();
  if (source != nullptr) {
    auto attached = source->attach({.pid = child->pid(), .held = true, .follow_forks = follow_forks, .exe = exe});
    if (!attached) return std::move(attached).error();
  }
  if (auto resumed = child->resume(); !resumed) return std::move(resumed).error();

  CountedRun result;
  std::thread reader(read_all, pipe->read.get(), std::ref(result.output));
  if (source != nullptr) {
    for (;;) {
      auto alive = source->wait(-1, -1);
      if (!alive || !*alive) break;
    }
  }
  auto status = child->wait(-1);
  reader.join();
  if (!status) return std::move(status).error();
  result.status = **status;
  if (source != nullptr) {
    auto counts = source->read();
    if (!counts) return std::move(counts).error();
    result.counts = std::move(*counts);
    source->detach();
  }
  return result;
}

}  // namespace

Result<CountedRun> run_counted(probes::Source& source, std::vector<std::string> argv, bool follow_forks) {
  return run(&source, std::move(argv), follow_forks);
}

Result<std::string> run_plainly(std::vector<std::string> argv) {
  auto result = run(nullptr, std::move(argv), false);
  if (!result) return std::move(result).error();
  return std::move(result->output);
}

}  // namespace netpoll::test
