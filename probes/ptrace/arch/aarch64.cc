// Registers and call numbers of 64-bit ARM.
#include <linux/audit.h>
#include <sys/syscall.h>

#include "probes/ptrace/arch.h"

namespace netpoll::probes {
namespace {
// fork and vfork are clone here.
constexpr int kAffinityCalls[] = {SYS_sched_setaffinity, SYS_sched_getaffinity, SYS_clone, SYS_clone3};
constexpr Arch kArch = {AUDIT_ARCH_AARCH64, kAffinityCalls};
}  // namespace

const Arch& native_arch() { return kArch; }

// The kernel looks at the result before the stop, and keeps the first argument, which a restart needs, to itself.
bool restart_interrupted_wait(pid_t) { return false; }

}  // namespace netpoll::probes
