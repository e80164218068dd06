// Descriptors, signals and the hold, in the child itself.
#include "probes/launch/child_setup.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string_view>

namespace netpoll::probes {
namespace {

bool same_name(std::string_view entry, std::string_view other) {
  return entry.substr(0, entry.find('=')) == other.substr(0, other.find('='));
}

std::vector<std::string> merged_environment(const std::vector<std::string>& set_env) {
  std::vector<std::string> result;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    auto replaces = [&](const std::string& set) { return same_name(*entry, set); };
    if (std::none_of(set_env.begin(), set_env.end(), replaces)) result.emplace_back(*entry);
  }
  result.insert(result.end(), set_env.begin(), set_env.end());
  return result;
}

std::vector<char*> pointers(const std::vector<std::string>& strings) {
  std::vector<char*> result;
  for (const std::string& text : strings) result.push_back(const_cast<char*>(text.c_str()));
  result.push_back(nullptr);
  return result;
}

// Handlers of the parent must not run here: they may write to descriptors that the two still share. All signals are
// blocked since before the fork, so none has.
void reset_signals(const std::vector<int>& ignored) {
  struct sigaction action = {};
  for (int signal = 1; signal < NSIG; ++signal) {
    if (sigaction(signal, nullptr, &action) != 0 || action.sa_handler == SIG_IGN) continue;
    action = {};
    action.sa_handler = std::find(ignored.begin(), ignored.end(), signal) == ignored.end() ? SIG_DFL : SIG_IGN;
    sigaction(signal, &action, nullptr);
  }
}

// Closes first..last. close_range is older than our floor, but container filters refuse what they do not know.
void close_between(unsigned first, unsigned last) {
  if (first > last || syscall(SYS_close_range, first, last, 0U) == 0) return;
  rlimit limit = {};
  getrlimit(RLIMIT_NOFILE, &limit);
  const unsigned end = static_cast<unsigned>(std::min<rlim_t>(limit.rlim_cur, 1U << 20));
  for (unsigned fd = first; fd <= last && fd < end; ++fd) close(static_cast<int>(fd));
}

// Returns 0 or an errno. Every source is first copied above all targets, so that no target overwrites a later source.
int arrange_descriptors(ChildPlan& plan) {
  for (int* pipe : {&plan.hold_fd, &plan.status_fd}) {
    const int copy = fcntl(*pipe, F_DUPFD_CLOEXEC, plan.first_free);
    if (copy < 0) return errno;
    close(*pipe);
    *pipe = copy;
  }
  const auto& fds = plan.spec.fds;
  for (std::size_t i = 0; i < fds.size(); ++i) {
    plan.copies[i] = fcntl(fds[i].from, F_DUPFD_CLOEXEC, plan.first_free);
    if (plan.copies[i] < 0) return errno;
  }
  for (std::size_t i = 0; i < fds.size(); ++i) {
    if (dup2(plan.copies[i], fds[i].to) < 0) return errno;
    close(plan.copies[i]);
  }
  if (!plan.spec.close_other_fds) return 0;

  plan.keep[plan.keep.size() - 2] = std::min(plan.hold_fd, plan.status_fd);
  plan.keep[plan.keep.size() - 1] = std::max(plan.hold_fd, plan.status_fd);
  unsigned first = 3;
  for (int fd : plan.keep) {
    close_between(first, static_cast<unsigned>(fd) - 1);
    first = static_cast<unsigned>(fd) + 1;
  }
  close_between(first, ~0U);
  return 0;
}

// Returns 0 or an errno. Without CAP_SYS_ADMIN the kernel wants the promise that exec grants no new privileges; with
// it the promise is not made, so that set-user-ID programs keep working.
int install_seccomp(const std::vector<sock_filter>& filter) {
  sock_fprog program = {static_cast<unsigned short>(filter.size()), const_cast<sock_filter*>(filter.data())};
  // SPEC_ALLOW: kernels before 5.16 would otherwise switch on a costly mitigation for the child.
  const auto install = [&] {
    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW, &program) == 0 ? 0 : errno;
  };
  const int error = install();
  if (error != EACCES) return error;
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return errno;
  return install();
}

void report(int status_fd, SetupStep step, int sys_errno) {
  const SetupReport message = {step, sys_errno};
  while (write(status_fd, &message, sizeof message) < 0 && errno == EINTR) {
  }
}

[[noreturn]] void fail(const ChildPlan& plan, SetupStep step, int sys_errno) {
  report(plan.status_fd, step, sys_errno);
  _exit(127);
}

bool wait_for_resume(int hold_fd) {
  char byte = 0;
  ssize_t n = 0;
  do n = read(hold_fd, &byte, 1);
  while (n < 0 && errno == EINTR);
  return n == 1;
}

}  // namespace

const char* setup_step_name(SetupStep step) {
  switch (step) {
    case SetupStep::kNone:
      return "start";
    case SetupStep::kParentGone:
      return "parent has ended";
    case SetupStep::kGroup:
      return "setpgid";
    case SetupStep::kDescriptors:
      return "hand over descriptors";
    case SetupStep::kSeccomp:
      return "install a seccomp filter";
    case SetupStep::kExec:
      return "execute";
  }
  return "?";
}

ChildPlan::ChildPlan(const LaunchSpec& from)
    : spec(from),
      environment(merged_environment(from.set_env)),
      argv(pointers(from.argv)),
      envp(pointers(environment)) {
  copies.resize(spec.fds.size(), -1);
  first_free = 3;
  for (const InheritedFd& fd : spec.fds) {
    first_free = std::max(first_free, fd.to + 1);
    if (fd.to > 2) keep.push_back(fd.to);
  }
  std::sort(keep.begin(), keep.end());
  keep.resize(keep.size() + 2);  // the pipes, which end up above them
  parent = getpid();
}

void run_child(ChildPlan& plan) {
  reset_signals(plan.spec.ignored_signals);
  if (!plan.spec.outlives_us) prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  // A parent that died before the prctl sends nothing any more; then we have a new parent by now.
  if (getppid() != plan.parent) fail(plan, SetupStep::kParentGone, 0);
  // A tool that has changed its user or has file capabilities is not dumpable, and so would not be allowed to trace
  // what it forked. Others still may not: the kernel compares users and capabilities as well (ptrace(2), access mode).
  if (plan.spec.traceable) prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
  if (plan.spec.own_group && setpgid(0, 0) != 0) fail(plan, SetupStep::kGroup, errno);
  if (int error = arrange_descriptors(plan)) fail(plan, SetupStep::kDescriptors, error);
  sigprocmask(SIG_SETMASK, &plan.blocked, nullptr);
  report(plan.status_fd, SetupStep::kNone, 0);

  if (!wait_for_resume(plan.hold_fd)) _exit(0);
  if (!plan.spec.seccomp_filter.empty()) {
    if (int error = install_seccomp(plan.spec.seccomp_filter)) fail(plan, SetupStep::kSeccomp, error);
  }
  execvpe(plan.argv[0], plan.argv.data(), plan.envp.data());
  fail(plan, SetupStep::kExec, errno);
}

}  // namespace netpoll::probes
