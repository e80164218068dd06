// The first frame of a goroutine on 64-bit ARM.
#include <cstdint>

#include "libruntime/context/context.h"

namespace netpoll::context {
namespace {

// What the switches (context_asm_aarch64.S) leave on a suspended stack, lowest address first.
struct Frame {
  void* x19_to_x28[10];
  void* x29;  // frame pointer
  void* x30;  // where to continue
  std::uint64_t d8_to_d15[8];
  std::uint64_t fpcr;
  std::uint64_t padding;
};
static_assert(sizeof(Frame) == 176);

}  // namespace

void context_init(MachineContext& context, void* stack_lo, void* stack_hi, void (*entry)(void*), void* arg) {
  static_cast<void>(stack_lo);
  auto top = reinterpret_cast<std::uintptr_t>(stack_hi) & ~std::uintptr_t{15};
  auto* frame = reinterpret_cast<Frame*>(top - sizeof(Frame));
  *frame = Frame{};
  frame->x19_to_x28[0] = reinterpret_cast<void*>(entry);
  frame->x19_to_x28[1] = arg;
  frame->x30 = reinterpret_cast<void*>(&netpoll_context_entry);
  __atomic_store_n(&context.sp, frame, __ATOMIC_RELAXED);  // see peek_sp()
}

}  // namespace netpoll::context
