// Stacks on Windows: committed memory, and guards that leave room for the handler which reports an overflow.
//
// A guard, from above: a page that raises at its first touch (PAGE_GUARD), and memory for the frames of the exception
// and its handler, which run on the stack that overflowed. Nothing steps over the page: compilers for Windows have
// large frames touched page by page, since threads' stacks grow that way.
#include "libruntime/context/stack.h"

#include <windows.h>

#include "libruntime/context/stack_memory.h"

namespace netpoll::context {
namespace {

constexpr std::size_t kTripSize = 4 * 1024;
static_assert(kGuardSize >= kTripSize + 12 * 1024);

}  // namespace

std::size_t page_size() { return 4096; }

// Committed as a whole, which counts against what the machine may promise and touches nothing. Stacks that the system
// commits page by page, as it does a thread's, would need its rules for guard pages obeyed in what lies above them.
char* map_stacks(std::size_t size) {
  return static_cast<char*>(VirtualAlloc(nullptr, size, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE));
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

// MEM_RESET: the content is not worth keeping, so the pages may be taken without being written anywhere.
void forget_pages(char* lo, std::size_t size) { VirtualAlloc(lo, size, MEM_RESET, PAGE_READWRITE); }

}  // namespace netpoll::context
