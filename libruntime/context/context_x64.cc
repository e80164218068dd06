// The first frame of a goroutine on x86-64.
#include <cstdint>

#include "libruntime/context/context.h"

namespace netpoll::context {
namespace {

// What the switches (context_asm_x64.S) leave on a suspended stack, lowest address first.
struct Frame {
  std::uint32_t mxcsr;
  std::uint16_t x87_control;
  std::uint16_t padding;
  void* r15;
  void* r14;
  void* r13;
  void* r12;
  void* rbx;
  void* rbp;
  void* rip;
};
static_assert(sizeof(Frame) == 64);

}  // namespace

void context_init(MachineContext& context, void* stack_lo, void* stack_hi, void (*entry)(void*), void* arg) {
  static_cast<void>(stack_lo);
  // The entry code is reached by a jump with rsp just above the frame, and then calls: rsp must be 16-aligned there.
  auto top = reinterpret_cast<std::uintptr_t>(stack_hi) & ~std::uintptr_t{15};
  auto* frame = reinterpret_cast<Frame*>(top - sizeof(Frame));
  *frame = Frame{};
  frame->mxcsr = static_cast<std::uint32_t>(kInitialControlWords);
  frame->x87_control = static_cast<std::uint16_t>(kInitialControlWords >> 32);
  frame->rbx = reinterpret_cast<void*>(entry);
  frame->r12 = arg;
  frame->rip = reinterpret_cast<void*>(&netpoll_context_entry);
  __atomic_store_n(&context.sp, frame, __ATOMIC_RELAXED);  // see peek_sp()
}

}  // namespace netpoll::context
