// Finds the reason: another tracer, Yama, another user, or a process that is gone.
#include "probes/ptrace/attach_error.h"

#include <unistd.h>

#include <cerrno>
#include <string>

#include "probes/process/proc_status.h"

namespace netpoll::probes {
namespace {

std::string eperm_hint(pid_t pid) {
  if (pid == getpid()) return "a process cannot trace itself";
  if (traces_us(pid)) return "it traces us, and each would wait for the other";
  const long tracer = status_number(pid, "TracerPid").value_or(0);
  if (tracer != 0) {
    return "pid " + std::to_string(tracer) + " (" + comm_of(static_cast<pid_t>(tracer)) +
           ") traces it already, and a process has one tracer at a time";
  }
  const long uid = status_number(pid, "Uid").value_or(-1);
  const uid_t own = geteuid();
  if (own != 0 && uid != static_cast<long>(own))
    return "it belongs to another user; try sudo, or grant the program cap_sys_ptrace+ep with setcap";
  switch (yama_ptrace_scope()) {
    case 0:
      break;
    case 1:
      if (own == 0) break;
      return "/proc/sys/kernel/yama/ptrace_scope is 1: only children can be traced without root; try sudo, or let "
             "netpoll-trace start the command itself with -- CMD";
    case 2:
      return "/proc/sys/kernel/yama/ptrace_scope is 2: only root may trace; try sudo";
    default:
      return "/proc/sys/kernel/yama/ptrace_scope is 3: nobody may trace until the machine is restarted";
  }
  if (own != 0) return "it may be a set-user-ID program or have switched core dumps off; try sudo";
  return "a container's seccomp profile or a security module may forbid ptrace; CAP_SYS_PTRACE allows it in most";
}

}  // namespace

bool traces_us(pid_t pid) {
  // The tracer is a thread.
  const auto tracer = static_cast<pid_t>(status_number(getpid(), "TracerPid").value_or(0));
  return tracer != 0 && status_number(tracer, "Tgid") == pid;
}

Error attach_error(pid_t pid, int sys_errno) {
  Error error = posix_error("cannot trace pid " + std::to_string(pid), sys_errno);
  if (sys_errno == ESRCH) return std::move(error).with_hint("the process has ended, or never existed");
  if (sys_errno == EPERM) return std::move(error).with_hint(eperm_hint(pid));
  return error;
}

}  // namespace netpoll::probes
