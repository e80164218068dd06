// Writes the program.
#include "probes/ptrace/seccomp_filter.h"

#include <linux/seccomp.h>
#include <sys/syscall.h>

#include <cstddef>

#include "probes/ptrace/arch.h"

namespace netpoll::probes {

// A linear search: numbers that it lets pass are answered from the kernel's bitmap of always-allowed ones without
// running the program (since Linux 5.11), and beside the cost of a stop some fifty comparisons vanish.
std::vector<sock_filter> make_seccomp_filter(std::span<const unsigned> numbers) {
  std::vector<sock_filter> program = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, arch)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, native_arch().audit_arch, 1, 0),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
  };
  const auto stop_at = [&](int nr) {
    program.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<std::uint32_t>(nr), 0, 1));
    program.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE));
  };
  for (const unsigned nr : numbers) stop_at(static_cast<int>(nr));
  stop_at(SYS_restart_syscall);
  for (const int nr : native_arch().affinity_calls) stop_at(nr);
  program.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
  return program;
}

}  // namespace netpoll::probes
