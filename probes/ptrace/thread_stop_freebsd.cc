// Attaches to the process, which its kernel then stops as a whole (ptrace(2), PT_ATTACH and PT_DETACH).
#include <signal.h>
#include <sys/types.h>
// Behind it.
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>

#include <cerrno>
#include <optional>
#include <string>
#include <utility>

#include "libruntime/base/clock.h"
#include "probes/process/freebsd_process.h"
#include "probes/process/memory.h"
#include "probes/ptrace/thread_stop.h"

namespace netpoll::probes {
namespace {

// No signal but SIGKILL ends us meanwhile: the kernel kills what a dead process was tracing (ptrace(2),
// kern.kill_on_debugger_exit).
class SignalsHeld {
 public:
  SignalsHeld() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  SignalsHeld(const SignalsHeld&) = delete;
  SignalsHeld& operator=(const SignalsHeld&) = delete;
  ~SignalsHeld() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

 private:
  sigset_t before_;
};

Error attach_error(pid_t pid, int sys_errno) {
  if (sys_errno != EBUSY) return process_error(pid, sys_errno);
  return Error(ErrorKind::kPermission, "stop pid " + std::to_string(pid) + ": another process traces it")
      .with_hint("end its debugger; where procfs is mounted (mount -t procfs proc /proc) nothing needs to be stopped");
}

// Waits until it stopped: the signal that it stopped for, or nothing when it ended. Without an end to its patience,
// since one that has not stopped cannot be let go. A thread that waits for a device stops when the device answers.
std::optional<int> wait_for_stop(pid_t pid) {
  for (;;) {
    int status = 0;
    const pid_t got = waitpid(pid, &status, 0);
    if (got == pid && WIFSTOPPED(status)) return WSTOPSIG(status);
    if (got == pid || errno != EINTR) return std::nullopt;
  }
}

}  // namespace

struct ThreadStop::Held {
  Held(pid_t process, bool was_stopped) : pid(process), signal(was_stopped ? SIGSTOP : 0) {}
  Held(const Held&) = delete;
  Held& operator=(const Held&) = delete;
  ~Held() {
    // 1: it goes on where it was.
    if (attached) (void)ptrace(PT_DETACH, pid, reinterpret_cast<caddr_t>(1), signal);
  }

  SignalsHeld signals;  // until it is let go
  pid_t pid;
  int signal;  // that it gets when it runs on: one that it had just received; or it was stopped before, and stays so
  bool attached = false;
  std::int64_t since_ns = base::nanotime();
};

ThreadStop::ThreadStop(std::unique_ptr<Held> held) : held_(std::move(held)) {}
ThreadStop::ThreadStop(ThreadStop&&) noexcept = default;
ThreadStop::~ThreadStop() = default;

Result<ThreadStop> ThreadStop::stop(pid_t pid) {
  const auto process = living_process(pid);
  if (!process) return process_error(pid, ESRCH);
  auto held = std::make_unique<Held>(pid, process->ki_stat == SSTOP);
  if (ptrace(PT_ATTACH, pid, nullptr, 0) != 0) return attach_error(pid, errno);
  const auto signal = wait_for_stop(pid);
  if (!signal) return process_error(pid, ESRCH);
  held->attached = true;
  // The SIGSTOP of the attach comes first (sys/kern/kern_sig.c, P2_PTRACE_FSTP); SIGTRAP is of an exec(2) that was
  // under way. Any other is the target's own.
  if (*signal != SIGSTOP && *signal != SIGTRAP) held->signal = *signal;
  return ThreadStop(std::move(held));
}

std::int64_t ThreadStop::release() {
  if (held_ == nullptr) return 0;
  const std::int64_t since_ns = held_->since_ns;
  held_.reset();
  return base::nanotime() - since_ns;
}

}  // namespace netpoll::probes
