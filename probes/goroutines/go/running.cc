// Finds a running goroutine's stack through the stacks that its thread may be on instead.
//
// Facts: Go's runtime/asm_amd64.s (gosave_systemstack_switch), runtime/os_linux.go (setsig: sa_restorer),
// runtime/vdso_linux.go and traceback.go (vdsoSP); x86-64's struct rt_sigframe (arch/x86/include/asm/sigframe.h): the
// restorer's address, and behind it the ucontext with the interrupted registers.
#include "probes/goroutines/go/running.h"

#include <elf.h>

#include <algorithm>

namespace netpoll::probes {
namespace {

constexpr std::uint64_t kLargestSignalStack = 1 << 20;
// From the restorer's address on: uc_mcontext.gregs[REG_RSP] and [REG_RIP].
constexpr std::uint64_t kInterruptedSp = 8 + 40 + 15 * 8;
constexpr std::uint64_t kInterruptedPc = 8 + 40 + 16 * 8;

bool on_stack_of(const GoG& g, std::uint64_t sp) { return sp >= g.stack_lo && sp < g.stack_hi; }

}  // namespace

std::optional<std::uint64_t> RunningPlaces::word_of_m(const GoG& g, const std::optional<std::uint64_t>& offset) {
  if (!offset || g.m == 0) return std::nullopt;
  const auto word = subject_.memory().read_value<std::uint64_t>(g.m + *offset);
  return word && *word != 0 ? std::optional(*word) : std::nullopt;
}

// The registers that a signal handler, which runs on the thread's signal stack, interrupted.
std::optional<ThreadRegisters> RunningPlaces::interrupted(const GoG& g, const ThreadRegisters& handler) {
  const auto gsignal = word_of_m(g, program_.layout.g.m_gsignal);
  if (!gsignal || program_.arch->elf_machine != EM_X86_64) return std::nullopt;
  const auto lo = subject_.memory().read_value<std::uint64_t>(*gsignal + program_.layout.g.stack_lo);
  const auto hi = subject_.memory().read_value<std::uint64_t>(*gsignal + program_.layout.g.stack_hi);
  if (!lo || !hi || handler.sp < *lo || handler.sp >= *hi || *hi - handler.sp > kLargestSignalStack)
    return std::nullopt;
  std::vector<std::byte> copy(*hi - handler.sp);
  if (!subject_.memory().read(handler.sp, copy.data(), copy.size())) return std::nullopt;
  const Bytes stack{std::span<const std::byte>(copy)};
  for (std::uint64_t at = (8 - handler.sp % 8) % 8; const auto word = stack.at<std::uint64_t>(at); at += 8) {
    const auto& returns = program_.functions.sigreturns;
    if (*word == 0 || std::find(returns.begin(), returns.end(), *word) == returns.end()) continue;
    const auto sp = stack.at<std::uint64_t>(at + kInterruptedSp);
    const auto pc = stack.at<std::uint64_t>(at + kInterruptedPc);
    if (sp && pc) return ThreadRegisters{.pc = *pc, .sp = *sp};
  }
  return std::nullopt;
}

std::optional<SavedRegisters> RunningPlaces::find(const GoG& g, pid_t tid) {
  auto registers = subject_.thread_registers(tid);
  if (!registers) return std::nullopt;
  if (!on_stack_of(g, registers->sp)) {
    if (const auto before = interrupted(g, *registers)) registers = before;
  }
  if (on_stack_of(g, registers->sp)) {
    return SavedRegisters{.pc = registers->pc, .sp = registers->sp, .lr = registers->lr, .call = false};
  }
  // In the kernel's page of functions, for which it changes to its thread's own stack.
  const auto vdso_sp = word_of_m(g, program_.layout.g.m_vdso_sp);
  const auto vdso_pc = word_of_m(g, program_.layout.g.m_vdso_pc);
  if (vdso_sp && vdso_pc && on_stack_of(g, *vdso_sp)) return SavedRegisters{.pc = *vdso_pc, .sp = *vdso_sp};
  // In the runtime, on its thread's own stack; what it saved then is this function, which never runs.
  const auto saved = program_.pclntab.function_at(g.sched_pc);
  if (saved && on_stack_of(g, g.sched_sp) && program_.pclntab.name(*saved) == "runtime.systemstack_switch") {
    return SavedRegisters{.pc = g.sched_pc, .sp = g.sched_sp};
  }
  return std::nullopt;
}

}  // namespace netpoll::probes
