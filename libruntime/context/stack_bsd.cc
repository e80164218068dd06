// Mappings of stacks on FreeBSD and macOS, which do not limit how many a process has, and how pages go back to the
// kernel.
#include "libruntime/context/stack.h"

#include <sys/mman.h>
#include <unistd.h>

namespace netpoll::context {

std::size_t page_size() {
  static const auto size = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  return size;
}

// Not MAP_STACK, which on FreeBSD is memory that grows, with rules for what lies below.
StackSlab StackSlab::map(std::size_t count, std::size_t usable) {
  StackSlab slab;
  const std::size_t page = page_size();
  slab.count_ = count;
  slab.slot_ = (usable + page - 1) / page * page + kGuardSize;
  void* const base = ::mmap(nullptr, count * slab.slot_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON, -1, 0);
  if (base != MAP_FAILED) slab.base_ = static_cast<char*>(base);
  return slab;
}

StackGuard StackSlab::protect(std::size_t index) {
  return ::mprotect(base_ + index * slot_, kGuardSize, PROT_NONE) == 0 ? StackGuard::kFault : StackGuard::kZeroed;
}

void StackSlab::unmap() {
  if (base_ != nullptr) ::munmap(base_, count_ * slot_);
  base_ = nullptr;
}

bool stack_overflowed(const Stack& stack) {
  const auto* end = static_cast<const std::uint64_t*>(stack.lo);
  std::uint64_t seen = 0;
  for (std::size_t i = 1; i <= kCheckedSize / sizeof(std::uint64_t); ++i) seen |= *(end - i);
  return seen != 0;
}

void stack_trim(const Stack& stack) {
  auto* lo = static_cast<char*>(stack.lo);
  auto* hi = static_cast<char*>(stack.hi) - page_size();
  if (hi > lo) ::madvise(lo, static_cast<std::size_t>(hi - lo), MADV_FREE);
}

}  // namespace netpoll::context
