// Registers and call numbers of x86-64.
#include <linux/audit.h>
#include <sys/syscall.h>
#include <sys/user.h>

#include <cerrno>
#include <cstddef>
#include <iterator>

#include "probes/ptrace/arch.h"
#include "probes/ptrace/kernel_errors.h"
#include "probes/ptrace/requests.h"

namespace netpoll::probes {
namespace {
constexpr int kAffinityCalls[] = {
    SYS_sched_setaffinity, SYS_sched_getaffinity, SYS_clone, SYS_clone3, SYS_fork, SYS_vfork};
constexpr Arch kArch = {AUDIT_ARCH_X86_64, kAffinityCalls};
}  // namespace

// Calls that return EINTR, and not one of the kernel's own restart codes, when a thread is stopped, and that did
// nothing yet when they do: signal(7), "Interruption of system calls and library functions by stop signals". Socket
// calls are here for sockets with a timeout. Not close(2) and connect(2), which have done something.
constexpr long kRestartable[] = {SYS_epoll_wait, SYS_epoll_pwait,  SYS_epoll_pwait2, SYS_rt_sigtimedwait, SYS_semop,
                                 SYS_semtimedop, SYS_io_getevents, SYS_accept,       SYS_accept4,         SYS_read,
                                 SYS_readv,      SYS_recvfrom,     SYS_recvmsg,      SYS_recvmmsg,        SYS_write,
                                 SYS_writev,     SYS_sendto,       SYS_sendmsg,      SYS_sendmmsg};

// Of a thread that comes out of a native system call: then orig_rax has its number, which is negative otherwise.
std::optional<user_regs_struct> registers_after_call(pid_t tid) {
  user_regs_struct registers = {};
  SyscallInfo info;
  if (request(PTRACE_GETREGS, tid, nullptr, &registers) != 0 || static_cast<long>(registers.orig_rax) < 0) {
    return std::nullopt;
  }
  if (!get_syscall_info(tid, info) || info.arch != kArch.audit_arch) return std::nullopt;
  return registers;
}

const Arch& native_arch() { return kArch; }

bool restart_interrupted_wait(pid_t tid) {
  const auto registers = registers_after_call(tid);
  if (!registers || static_cast<long>(registers->rax) != -EINTR) return false;
  const auto call = static_cast<long>(registers->orig_rax);
  if (std::find(std::begin(kRestartable), std::end(kRestartable), call) == std::end(kRestartable)) return false;
  return request(PTRACE_POKEUSER, tid, reinterpret_cast<void*>(offsetof(user, regs.rax)), -kRestartNoHandler) == 0;
}

std::optional<UnfinishedCall> unfinished_call(pid_t tid) {
  const auto registers = registers_after_call(tid);
  if (!registers || !is_kernel_restart(static_cast<std::int64_t>(registers->rax))) return std::nullopt;
  return UnfinishedCall{
      .number = static_cast<long>(registers->orig_rax),
      .args = {registers->rdi, registers->rsi, registers->rdx, registers->r10, registers->r8, registers->r9}};
}

bool set_argument(pid_t tid, std::size_t index, std::uint64_t value) {
  const std::size_t place = index == 0 ? offsetof(user, regs.rdi) : offsetof(user, regs.r10);
  return request(PTRACE_POKEUSER, tid, reinterpret_cast<void*>(place), static_cast<long>(value)) == 0;
}

std::optional<GoRegisters> go_registers(pid_t tid) {
  user_regs_struct registers = {};
  if (request(PTRACE_GETREGS, tid, nullptr, &registers) != 0) return std::nullopt;
  return GoRegisters{.tls = registers.fs_base, .sp = registers.rsp, .g = std::nullopt};
}

}  // namespace netpoll::probes
