// Whether the program brought what names stacks: asked by a weak reference, which is null where it did not.
#include "libruntime/trace/stack_namer.h"

#include "libruntime/debug/snapshot.h"

#pragma weak netpoll_debug_make_stack_namer

namespace netpoll::debug {

bool names_stacks() { return netpoll_debug_make_stack_namer != nullptr; }

std::unique_ptr<trace::StackNamer> make_stack_namer(trace::GoroutineSnapshot& snapshot) {
  return std::unique_ptr<trace::StackNamer>(names_stacks() ? netpoll_debug_make_stack_namer(snapshot) : nullptr);
}

}  // namespace netpoll::debug
