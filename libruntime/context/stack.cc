#include "libruntime/context/stack.h"

#include <sys/mman.h>

#include <atomic>
#include <cerrno>

#include "libruntime/base/syscall.h"

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102  // include/uapi/asm-generic/mman-common.h since Linux 6.13
#endif

namespace netpoll::context {

std::size_t page_size() {
  static const auto size = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  return size;
}

StackSlab StackSlab::map(std::size_t count, std::size_t usable) {
  StackSlab slab;
  const std::size_t page = page_size();
  slab.count_ = count;
  slab.slot_ = (usable + page - 1) / page * page + kGuardSize;
  const long address = base::sys(SYS_mmap, nullptr, count * slab.slot_, PROT_READ | PROT_WRITE,
                                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
  if (address < 0 && address > -4096) {
    slab.errno_ = static_cast<int>(-address);
    return slab;
  }
  slab.base_ = reinterpret_cast<char*>(address);
  // A huge page would make every parked goroutine hold 2 MiB.
  base::sys(SYS_madvise, slab.base_, count * slab.slot_, MADV_NOHUGEPAGE);
  return slab;
}

Stack StackSlab::at(std::size_t index) const {
  char* slot = base_ + index * slot_;
  return Stack{slot + kGuardSize, slot + slot_};
}

int StackSlab::protect(std::size_t index) const {
  static std::atomic<bool> have_guard_install{true};
  char* guard = base_ + index * slot_;
  if (have_guard_install.load(std::memory_order_relaxed)) {
    const long result = base::sys(SYS_madvise, guard, kGuardSize, MADV_GUARD_INSTALL);
    if (result == 0) return 0;
    if (result != -EINVAL) return static_cast<int>(-result);
    have_guard_install.store(false, std::memory_order_relaxed);
  }
  return static_cast<int>(-base::sys(SYS_mprotect, guard, kGuardSize, PROT_NONE));
}

void StackSlab::unmap() {
  if (base_ != nullptr) base::sys(SYS_munmap, base_, count_ * slot_);
  base_ = nullptr;
}

void stack_trim(const Stack& stack) {
  const auto lo = reinterpret_cast<std::uintptr_t>(stack.lo);
  const auto hi = reinterpret_cast<std::uintptr_t>(stack.hi) - page_size();
  if (hi > lo) base::sys(SYS_madvise, lo, hi - lo, MADV_DONTNEED);
}

}  // namespace netpoll::context
