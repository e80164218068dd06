// What differs between architectures for a tracer, as data: one file per architecture in arch/, chosen by CMake.
// Registers do not appear, since PTRACE_GET_SYSCALL_INFO hands out numbers, arguments and results on all of them.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>

namespace netpoll::probes {

struct Arch {
  std::uint32_t audit_arch;  // AUDIT_ARCH_* of native system calls, as ptrace reports it
  // Calls that read, write or hand down a thread's CPU affinity (see Placement).
  std::span<const int> affinity_calls;

  bool passes_affinity(long nr) const {
    return std::find(affinity_calls.begin(), affinity_calls.end(), nr) != affinity_calls.end();
  }
};

const Arch& native_arch();

}  // namespace netpoll::probes
