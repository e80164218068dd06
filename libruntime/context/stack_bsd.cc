// Mappings of stacks on FreeBSD and macOS, which do not limit how many a process has, and how pages go back to the
// kernel.
#include "libruntime/context/stack.h"

#include <sys/mman.h>

#include "libruntime/context/stack_memory.h"

namespace netpoll::context {

// Not MAP_STACK, which on FreeBSD is memory that grows, with rules for what lies below.
char* map_stacks(std::size_t size) {
  void* const stacks = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON, -1, 0);
  return stacks == MAP_FAILED ? nullptr : static_cast<char*>(stacks);
}

StackGuard StackSlab::protect(std::size_t index) {
  return ::mprotect(base_ + index * slot_, kGuardSize, PROT_NONE) == 0 ? StackGuard::kFault : StackGuard::kZeroed;
}

void StackSlab::unmap() {
  if (base_ != nullptr) ::munmap(base_, count_ * slot_);
  base_ = nullptr;
}

void forget_pages(char* lo, std::size_t size) { ::madvise(lo, size, MADV_FREE); }

}  // namespace netpoll::context
