// context.h: the context switch.
//
// A switch saves what the platform's ABI calls callee-saved: general registers, the stack pointer, and the
// floating-point control words (a goroutine may change the rounding mode and resume on another thread). Not saved:
// everything the ABI lets a call destroy (so no vector registers on x86-64), the signal mask, and thread-local state;
// errno and the C++ exception globals are the scheduler's business (sched/proc.cc).
#pragma once

#include <cstddef>

#include "libruntime/context/sanitizer.h"

namespace netpoll::context {

// Context is a suspended flow of control: its stack pointer, and what the sanitizers want to know about its stack.
struct Context {
  void* sp = nullptr;
  [[no_unique_address]] SanitizerFiber fiber;
};

extern "C" {
// Stores the current flow in *from_sp and continues the one at to_sp. In assembly, one file per architecture.
void netpoll_context_switch(void** from_sp, void* to_sp);
// First code on a new stack: calls entry(arg), which must not return.
void netpoll_context_entry();
}

// Prepares context so that the first switch to it calls entry(arg) on the stack [stack_lo, stack_hi). stack_hi is
// aligned to 16 bytes. entry must never return.
void context_init(Context& context, void* stack_lo, void* stack_hi, void (*entry)(void*), void* arg);

// Suspends the running flow in `from` and continues `to`; returns when somebody switches back to `from`.
NETPOLL_NO_SANITIZE inline void context_switch(Context& from, Context& to) {
  fiber_before_switch(from.fiber, to.fiber);
  netpoll_context_switch(&from.sp, to.sp);
  fiber_after_switch(from.fiber);
}

// As context_switch, for a flow that will never be continued: `from` becomes garbage.
[[noreturn]] NETPOLL_NO_SANITIZE inline void context_leave(Context& from, Context& to) {
  fiber_before_leave(to.fiber);
  netpoll_context_switch(&from.sp, to.sp);
  __builtin_unreachable();
}

}  // namespace netpoll::context
