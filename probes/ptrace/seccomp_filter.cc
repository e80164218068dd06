#include "probes/ptrace/seccomp_filter.h"

#include <linux/seccomp.h>
#include <sys/syscall.h>

#include <cstddef>

#include "probes/ptrace/arch.h"
#include "probes/syscall_numbers.h"

namespace netpoll::probes {
namespace {

constexpr std::uint32_t trace(StopReason reason) { return SECCOMP_RET_TRACE | static_cast<std::uint32_t>(reason); }

// if (accumulator == nr) return result;
void return_if_equal(std::vector<sock_filter>& program, int nr, std::uint32_t result) {
  program.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<std::uint32_t>(nr), 0, 1));
  program.push_back(BPF_STMT(BPF_RET | BPF_K, result));
}

}  // namespace

// A linear search: calls that it lets pass are answered from the kernel's bitmap of always-allowed numbers without
// running the program (since 5.11), and beside the cost of a stop the thirty comparisons of the others vanish.
std::vector<sock_filter> make_seccomp_filter() {
  std::vector<sock_filter> program = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, arch)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, native_arch().audit_arch, 1, 0),
      BPF_STMT(BPF_RET | BPF_K, trace(StopReason::kForeign)),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
  };
  for (std::size_t i = 0; i < kSyscallCount; ++i) {
    const auto syscall = static_cast<Syscall>(i);
    if (const auto nr = syscall_number(syscall)) return_if_equal(program, *nr, trace(stop_reason(syscall)));
  }
  return_if_equal(program, SYS_restart_syscall, trace(StopReason::kRestart));
  for (int nr : native_arch().affinity_calls) return_if_equal(program, nr, trace(StopReason::kAffinity));
  program.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
  return program;
}

}  // namespace netpoll::probes
