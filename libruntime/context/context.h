// context.h: the context switch.
//
// Flows come in two kinds: an owner (g0, the scheduler on a thread's own stack) resumes a flow, and a flow (a
// goroutine) suspends to the owner that resumed it last. A switch saves what the platform's ABI calls callee-saved:
// general registers, the stack pointer, and for goroutines the floating-point control words, because a goroutine may
// change the rounding mode and resume on another thread. Not saved: everything the ABI lets a call destroy (so no
// vector registers on x86-64, and none of the flags that fetestexcept(3) reads), the signal mask, and thread-local
// state; errno and the C++ exception globals are the scheduler's business (sched/proc.cc).
//
// Why two kinds: reading MXCSR costs 5 ns (measured on an AMD EPYC), two thirds of a symmetric switch. An owner has no
// rounding mode of its own, so only suspend() reads it; it tells the owner, who passes it to the next resume(), which
// compares it with what the next goroutine left and loads only a difference.
#pragma once

#include <cstddef>
#include <cstdint>

#include "libruntime/context/sanitizer.h"

namespace netpoll::context {

// MachineContext is a suspended flow of control: its stack pointer, and what the sanitizers want to know about its
// stack.
struct MachineContext {
  void* sp = nullptr;
  [[no_unique_address]] SanitizerFiber fiber;
};

// What a new flow starts with, in the form in which resume() and suspend() exchange control words.
#if defined(__x86_64__)
// MXCSR 0x1f80, x87 control word 0x037f (System V AMD64 ABI, process initialisation).
inline constexpr std::uint64_t kInitialControlWords = 0x037f'00001f80;
#else
inline constexpr std::uint64_t kInitialControlWords = 0;
#endif
// What no flow has: of a thread that has resumed none yet, and may have been given any by the one that started it.
inline constexpr std::uint64_t kUnknownControlWords = ~std::uint64_t{0};

// The stack pointer of a context that may begin or go on elsewhere meanwhile: an address to prefetch, nothing more.
inline const void* peek_sp(const MachineContext& context) { return __atomic_load_n(&context.sp, __ATOMIC_RELAXED); }

extern "C" {
// In assembly, one file per architecture.
std::uint64_t netpoll_context_resume(void** from_sp, void* to_sp, std::uint64_t control_words);
void netpoll_context_suspend(void** from_sp, void* to_sp);
// First code on a new stack: calls entry(arg), which must not return.
void netpoll_context_entry();
}

// Prepares context so that the first switch to it calls entry(arg) on the stack [stack_lo, stack_hi). stack_hi is
// aligned to 16 bytes. entry must never return.
void context_init(MachineContext& context, void* stack_lo, void* stack_hi, void (*entry)(void*), void* arg);

// Owner: continues the flow `to`; returns when it suspends. control_words says what this thread's are now: what the
// last resume() on it returned, or kUnknownControlWords. Returns what they are then.
NETPOLL_NO_SANITIZE inline std::uint64_t context_resume(MachineContext& owner, MachineContext& to,
                                                        std::uint64_t control_words) {
  fiber_before_switch(owner.fiber, to.fiber);
  control_words = netpoll_context_resume(&owner.sp, to.sp, control_words);
  fiber_after_switch(owner.fiber);
  return control_words;
}

// Flow: goes back to the owner; returns when an owner resumes `self`.
NETPOLL_NO_SANITIZE inline void context_suspend(MachineContext& self, MachineContext& owner) {
  fiber_before_switch(self.fiber, owner.fiber);
  netpoll_context_suspend(&self.sp, owner.sp);
  fiber_after_switch(self.fiber);
}

// As context_suspend, for a flow that will never be resumed: `self` becomes garbage.
[[noreturn]] NETPOLL_NO_SANITIZE inline void context_leave(MachineContext& self, MachineContext& owner) {
  fiber_before_leave(owner.fiber);
  netpoll_context_suspend(&self.sp, owner.sp);
  __builtin_unreachable();
}

}  // namespace netpoll::context
