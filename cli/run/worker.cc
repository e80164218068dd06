// Starts this program again as a worker and reads its lines.
#include "cli/run/worker.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "libruntime/base/posix.h"

namespace netpoll::cli {
namespace {

// What the worker finds its ends of the pipes under.
constexpr int kControlFd = 3;
constexpr int kReportFd = 4;

}  // namespace

std::string self_exe() {
  const std::string exe = base::own_path();
  // A binary that was replaced while it runs is still reachable, under a name that only a process itself can use.
  return ::access(exe.c_str(), X_OK) == 0 ? exe : "/proc/self/exe";
}

Worker::Worker(probes::Child child, workload::Link link)
    : child_(std::move(child)),
      link_(std::make_unique<workload::Link>(std::move(link))),
      reader_(std::make_unique<workload::LineReader>(link_->report.get())) {}

Result<Worker> Worker::launch(const WorkerArguments& arguments, probes::Session* session) {
  auto link = workload::make_link();
  if (!link) return link.error();
  const Fd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  if (!null.valid()) return posix_error("open /dev/null", errno);

  probes::LaunchSpec spec;
  spec.argv = {self_exe()};
  spec.dies_with_source = true;  // it starts nobody
  for (std::string& argument : arguments(kControlFd, kReportFd)) spec.argv.push_back(std::move(argument));
  // Our standard output is for the result; what a worker has to say beside its report goes to standard error.
  spec.fds = {{null.get(), STDIN_FILENO},
              {STDERR_FILENO, STDOUT_FILENO},
              {link->child_control.get(), kControlFd},
              {link->child_report.get(), kReportFd}};
  auto child = session != nullptr ? session->launch(std::move(spec)) : probes::launch(spec);
  if (!child) return child.error();
  link->child_control.reset();
  link->child_report.reset();
  return Worker(std::move(*child), std::move(*link));
}

}  // namespace netpoll::cli
