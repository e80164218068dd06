// The first frame of a goroutine on x86-64 Windows.
#include <cstdint>

#include "libruntime/context/context.h"
#include "libruntime/context/stack.h"

namespace netpoll::context {
namespace {

// What the switches (context_asm_win64.S) leave on a suspended stack, lowest address first.
struct Frame {
  std::uint32_t mxcsr;
  std::uint16_t x87_control;
  std::uint16_t padding;
  void* stack_base;              // of the thread's environment block: where the stack begins,
  alignas(16) char xmm[10][16];  // xmm6 to xmm15
  void* stack_limit;             // how far it is there,
  void* deallocation_stack;      // and where its memory ends
  void* exception_list;          // of the environment block as well: handlers whose records lie on the stack
  void* r15;
  void* r14;
  void* r13;
  void* r12;
  void* rsi;
  void* rdi;
  void* rbx;
  void* rbp;
  void* rip;
};
static_assert(sizeof(Frame) == 272);

}  // namespace

// The thread's environment block (winternl.h, TEB) has to name the stack that the thread runs on: what unwinds for an
// exception takes no frame that lies outside, and a fault outside ends the process without a word.
void context_init(MachineContext& context, void* stack_lo, void* stack_hi, void (*entry)(void*), void* arg) {
  // The entry code is reached by a jump with rsp just above the frame, 16-aligned, and a zero there for a return
  // address, at which unwinding ends.
  const auto top = (reinterpret_cast<std::uintptr_t>(stack_hi) & ~std::uintptr_t{15}) - 16;
  *reinterpret_cast<std::uint64_t*>(top) = 0;
  auto* frame = reinterpret_cast<Frame*>(top - sizeof(Frame));
  *frame = Frame{};
  frame->mxcsr = static_cast<std::uint32_t>(kInitialControlWords);
  frame->x87_control = static_cast<std::uint16_t>(kInitialControlWords >> 32);
  frame->stack_base = stack_hi;
  frame->stack_limit = stack_lo;
  frame->deallocation_stack = static_cast<char*>(stack_lo) - kGuardSize;
  frame->exception_list = reinterpret_cast<void*>(~std::uintptr_t{0});  // none
  frame->rbx = reinterpret_cast<void*>(entry);
  frame->r12 = arg;
  frame->rip = reinterpret_cast<void*>(&netpoll_context_entry);
  __atomic_store_n(&context.sp, frame, __ATOMIC_RELAXED);  // see peek_sp()
}

}  // namespace netpoll::context
