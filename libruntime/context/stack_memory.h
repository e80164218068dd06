// stack_memory.h: what stack.cc asks of the system for a slab of stacks. One file a system answers, and has the guards
// too: stack_linux.cc, stack_bsd.cc, stack_windows.cc.
#pragma once

#include <cstddef>

namespace netpoll::context {

// Zeroed memory for stacks, aligned to a page and yet untouched. Null when the address space cannot be had.
char* map_stacks(std::size_t size);

// The content of these whole pages is not worth keeping any more: the system may have them back.
void forget_pages(char* lo, std::size_t size);

}  // namespace netpoll::context
