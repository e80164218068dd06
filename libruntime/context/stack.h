// stack.h: memory for goroutine stacks.
//
// Stacks come in slabs: one mapping for many, never given back as address space. A stack is bound to its G for life, so
// there is no stack cache beside the free lists of Gs; what an idle stack gives back is its pages (trim).
#pragma once

#include <cstddef>
#include <cstdint>

namespace netpoll::context {

// Bytes below a stack's usable part where any access faults. More than a page, so that a frame of a few KiB cannot
// step over it.
inline constexpr std::size_t kGuardSize = 16 * 1024;

struct Stack {
  void* lo = nullptr;  // lowest usable byte; the guard is right below
  void* hi = nullptr;  // one past the last usable byte
};

// StackSlab: address space for `count` stacks of `usable` bytes (rounded up to pages). Touches no memory. Not
// thread-safe; the caller serialises protect() per index.
class StackSlab {
 public:
  // Returns a slab with a null base when the address space cannot be had (errno in last_errno()).
  static StackSlab map(std::size_t count, std::size_t usable);

  bool valid() const { return base_ != nullptr; }
  int last_errno() const { return errno_; }
  Stack at(std::size_t index) const;
  // Installs the guard of one stack, at its first use: MADV_GUARD_INSTALL (Linux 6.13: no extra VMA, so the number of
  // goroutines is not limited by vm.max_map_count), else mprotect. Returns 0 or an errno.
  int protect(std::size_t index) const;
  void unmap();

 private:
  char* base_ = nullptr;
  std::size_t count_ = 0;
  std::size_t slot_ = 0;
  int errno_ = 0;
};

// Gives the pages of an unused stack back to the kernel, all but the top one.
void stack_trim(const Stack& stack);

std::size_t page_size();

}  // namespace netpoll::context
