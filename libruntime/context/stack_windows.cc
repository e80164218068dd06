// Stacks on Windows: committed memory, and guards that leave room for the handler which reports an overflow.
//
// A guard, from above: a page that raises at its first touch (PAGE_GUARD), and memory for the frames of the exception
// and its handler, which run on the stack that overflowed. Nothing steps over the page: compilers for Windows have
// large frames touched page by page, since threads' stacks grow that way.
#include "libruntime/context/stack.h"

#include <windows.h>

namespace netpoll::context {
namespace {

constexpr std::size_t kTripSize = 4 * 1024;
static_assert(kGuardSize >= kTripSize + 12 * 1024);

}  // namespace

std::size_t page_size() { return 4096; }

// Committed as a whole, which counts against what the machine may promise and touches nothing. Stacks that the system
// commits page by page, as it does a thread's, would need its rules for guard pages obeyed in what lies above them.
StackSlab StackSlab::map(std::size_t count, std::size_t usable) {
  StackSlab slab;
  const std::size_t page = page_size();
  slab.count_ = count;
  slab.slot_ = (usable + page - 1) / page * page + kGuardSize;
  slab.base_ = static_cast<char*>(VirtualAlloc(nullptr, count * slab.slot_, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE));
  return slab;
}

StackGuard StackSlab::protect(std::size_t index) {
  char* guard = base_ + index * slot_;
  DWORD before = 0;
  const bool done =
      VirtualProtect(guard + kGuardSize - kTripSize, kTripSize, PAGE_READWRITE | PAGE_GUARD, &before) != 0;
  return done ? StackGuard::kFault : StackGuard::kZeroed;
}

void StackSlab::unmap() {
  if (base_ != nullptr) VirtualFree(base_, 0, MEM_RELEASE);
  base_ = nullptr;
}

bool stack_overflowed(const Stack& stack) {
  const auto* end = static_cast<const std::uint64_t*>(stack.lo);
  std::uint64_t seen = 0;
  for (std::size_t i = 1; i <= kCheckedSize / sizeof(std::uint64_t); ++i) seen |= *(end - i);
  return seen != 0;
}

// MEM_RESET: the content is not worth keeping, so the pages may be taken without being written anywhere.
void stack_trim(const Stack& stack) {
  auto* lo = static_cast<char*>(stack.lo);
  auto* hi = static_cast<char*>(stack.hi) - page_size();
  if (hi > lo) VirtualAlloc(lo, static_cast<std::size_t>(hi - lo), MEM_RESET, PAGE_READWRITE);
}

}  // namespace netpoll::context
