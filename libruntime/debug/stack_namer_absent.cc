// No names of stacks: there is no libdw that reads this system's programs, and netpoll::debug is not built.
#include "libruntime/debug/snapshot.h"
#include "libruntime/trace/stack_namer.h"

namespace netpoll::debug {

bool names_stacks() { return false; }

std::unique_ptr<trace::StackNamer> make_stack_namer(trace::GoroutineSnapshot&) { return nullptr; }

}  // namespace netpoll::debug
