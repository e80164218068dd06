// stack.h: memory for goroutine stacks.
//
// Stacks come in slabs: one mapping for many, never given back as address space. Each G has one at any time, so there
// is no stack cache beside the free lists of Gs; what an idle stack gives back is its pages (trim), or its warmth, to a
// G that has something to do (Scheduler::leave_stack).
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

// What keeps a goroutine that runs over the end of its stack from going unnoticed.
//
// Since Linux 6.13 a guard costs nothing but its entry in the page table (MADV_GUARD_INSTALL). Before, it takes
// mprotect and splits the mapping, two mappings a guard, of which a process may have vm.max_map_count: 65,530 unless
// told otherwise. When they are used up no thread starts and malloc fails, so guards take at most three quarters of
// them, and stacks beyond are kZeroed: a program with 100,000 connections goes on, and learns of an overflow a little
// later. The first 1,024 guards are split off on every kernel, so that cores of gcore have their stacks.
enum class StackGuard : std::uint8_t {
  kNone,    // not chosen yet
  kFault,   // any access to the guard faults
  kZeroed,  // the guard is memory like any other, all zero unless the stack overflowed: see stack_overflowed()
};

// StackSlab: address space for `count` stacks of `usable` bytes (rounded up to pages). Touches no memory. Not
// thread-safe; the caller serialises protect() and unmap().
class StackSlab {
 public:
  // Returns a slab with a null base when the address space cannot be had.
  static StackSlab map(std::size_t count, std::size_t usable);

  bool valid() const { return base_ != nullptr; }
  Stack at(std::size_t index) const {
    char* slot = base_ + index * slot_;
    return Stack{slot + kGuardSize, slot + slot_};
  }
  // Installs the guard of one stack, at its first use and once. Never kNone.
  StackGuard protect(std::size_t index);
  void unmap();

 private:
  char* base_ = nullptr;
  std::size_t count_ = 0;
  std::size_t slot_ = 0;
  [[maybe_unused]] std::size_t split_off_ = 0;  // guards that have a mapping of their own
};

// For a stack whose guard is kZeroed: whether something was written within kCheckedSize below its end. Touches no
// memory of its own, since the kernel lets pages that were only read share one page of zeros.
bool stack_overflowed(const Stack& stack);
inline constexpr std::size_t kCheckedSize = 4 * 1024;

// For tests, on Linux: guards from here on are made as on a kernel before 6.13 that has mappings left for so many of
// them.
void pretend_old_kernel(std::int64_t guards);

// Gives the pages of an unused stack back to the kernel. What they hold is lost.
void stack_trim(const Stack& stack);

std::size_t page_size();

}  // namespace netpoll::context
