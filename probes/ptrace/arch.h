// What differs between architectures for a tracer: one file per architecture in arch/, chosen by CMake. Registers
// hardly appear, since PTRACE_GET_SYSCALL_INFO hands out numbers, arguments and results on all of them.
#pragma once

#include <sys/types.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
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

// Of a thread in a signal-delivery-stop, or in the stop that PTRACE_INTERRUPT asked for: if a wait is about to return
// EINTR, lets the kernel decide as it would without a tracer. It then restarts the call unless a handler of the program
// runs, in which case EINTR it is (ERESTARTNOHAND, arch/*/kernel/signal.c). A wait with a timeout begins anew with the
// whole of it, unless somebody shortens it (TimedWait). Returns whether there was such a wait, and this architecture
// offers a way.
bool restart_interrupted_wait(pid_t tid);

struct UnfinishedCall {
  long number;
  std::array<std::uint64_t, 6> args;
};
// Of a thread in such a stop: the native system call that it has left unfinished and is about to enter again. Nothing
// where the registers do not say so any more: on aarch64 the kernel sets them back before the stop.
std::optional<UnfinishedCall> unfinished_call(pid_t tid);

// Of a thread at the entry or the exit of a native system call: argument `index` from 0, the first or the fourth. False
// when it was killed meanwhile.
bool set_argument(pid_t tid, std::size_t index, std::uint64_t value);

// Where a stopped thread of a Go program says which g it runs: in a word beside its thread pointer, or in a register.
struct GoRegisters {
  std::uint64_t tls = 0;  // the thread pointer
  std::uint64_t sp = 0;
  std::optional<std::uint64_t> g;  // where a register has it
};
std::optional<GoRegisters> go_registers(pid_t tid);

}  // namespace netpoll::probes
