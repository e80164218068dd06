// Registers and call numbers of 64-bit ARM.
#include <elf.h>
#include <linux/audit.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>

#include "probes/ptrace/arch.h"
#include "probes/ptrace/requests.h"

namespace netpoll::probes {
namespace {
// fork and vfork are clone here.
constexpr int kAffinityCalls[] = {SYS_sched_setaffinity, SYS_sched_getaffinity, SYS_clone, SYS_clone3};
constexpr Arch kArch = {AUDIT_ARCH_AARCH64, kAffinityCalls};
}  // namespace

const Arch& native_arch() { return kArch; }

// The kernel looks at the result before the stop, and keeps the first argument, which a restart needs, to itself.
bool restart_interrupted_wait(pid_t) { return false; }
std::optional<UnfinishedCall> unfinished_call(pid_t) { return std::nullopt; }

// At the exit the first register has the result, and what it had before is nobody's business any more.
bool set_argument(pid_t tid, std::size_t index, std::uint64_t value) {
  user_regs_struct registers = {};
  iovec place = {&registers, sizeof registers};
  SyscallInfo info;
  if (!get_syscall_info(tid, info)) return false;
  if (index == 0 && info.op == PTRACE_SYSCALL_INFO_EXIT) return true;
  if (request(PTRACE_GETREGSET, tid, reinterpret_cast<void*>(NT_PRSTATUS), &place) != 0) return false;
  registers.regs[index] = value;
  return request(PTRACE_SETREGSET, tid, reinterpret_cast<void*>(NT_PRSTATUS), &place) == 0;
}

std::optional<GoRegisters> go_registers(pid_t tid) {
  user_regs_struct registers = {};
  iovec place = {&registers, sizeof registers};
  if (request(PTRACE_GETREGSET, tid, reinterpret_cast<void*>(NT_PRSTATUS), &place) != 0) return std::nullopt;
  return GoRegisters{.tls = 0, .sp = registers.sp, .g = registers.regs[28]};
}

}  // namespace netpoll::probes
