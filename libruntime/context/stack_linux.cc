// Mappings of stacks with their guards, and how pages go back to the kernel.
#include "libruntime/context/stack.h"

#include <fcntl.h>
#include <sys/mman.h>

#include <atomic>
#include <cerrno>

#include "libruntime/base/syscall.h"
#include "libruntime/context/stack_memory.h"

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102  // include/uapi/asm-generic/mman-common.h since Linux 6.13
#endif

namespace netpoll::context {
namespace {

constexpr std::int64_t kUnknown = INT64_MIN;
// Of the whole process, however many Runtimes it has.
enum class Install : std::uint8_t { kUntried, kWorks, kMissing };
std::atomic<Install> guard_install{Install::kUntried};
std::atomic<std::int64_t> splits_left{kUnknown};
std::atomic<std::int64_t> splits_in_all{0};

// Of the first guards each has a mapping of its own even where it need not. gdb's gcore, and others that read a process
// mapping by mapping, give a mapping up where they cannot read a page (gdb/gcore.c, gcore_copy_callback), so the stacks
// around a guard inside of one would be missing in their cores.
constexpr std::int64_t kSplitFirst = 1024;

// How many guards may split a mapping: three quarters of what vm.max_map_count allows, two mappings each.
std::int64_t splits_allowed() {
  std::int64_t mappings = 65'530;  // the kernel's default (DEFAULT_MAX_MAP_COUNT)
  char text[32] = {};
  const long fd = base::sys(SYS_openat, AT_FDCWD, "/proc/sys/vm/max_map_count", O_RDONLY | O_CLOEXEC, 0);
  if (fd >= 0) {
    const long size = base::sys(SYS_read, fd, text, sizeof text);
    base::sys(SYS_close, fd);
    std::int64_t value = 0;
    for (long i = 0; i < size && text[i] >= '0' && text[i] <= '9'; ++i) value = value * 10 + (text[i] - '0');
    if (value > 0) mappings = value;
  }
  return mappings / 4 * 3 / 2;
}

// True: one guard may split its mapping, and give_splits() has to follow once it does not any more. most: unless so
// many do already.
bool take_split(std::int64_t most = INT64_MAX) {
  std::int64_t left = splits_left.load(std::memory_order_relaxed);
  if (left == kUnknown) {
    const std::int64_t allowed = splits_allowed();
    splits_in_all.store(allowed, std::memory_order_relaxed);
    if (splits_left.compare_exchange_strong(left, allowed, std::memory_order_relaxed)) left = allowed;
  }
  while (left > 0 && splits_in_all.load(std::memory_order_relaxed) - left < most) {
    if (splits_left.compare_exchange_weak(left, left - 1, std::memory_order_relaxed)) return true;
  }
  return false;
}

void give_splits(std::size_t count) {
  if (count != 0) splits_left.fetch_add(static_cast<std::int64_t>(count), std::memory_order_relaxed);
}

// Whether the kernel cannot read there. Asked with the path of a file, since that is harmless where it can.
bool faults(const char* address) { return base::sys(SYS_faccessat, AT_FDCWD, address, F_OK) == -EFAULT; }

// MADV_GUARD_INSTALL. An answer is not enough: the user emulation of QEMU (7.2) says yes to advice that it does not
// know.
bool install_guard(const char* guard) {
  const Install known = guard_install.load(std::memory_order_relaxed);
  if (known == Install::kMissing) return false;
  const bool done = base::sys(SYS_madvise, guard, kGuardSize, MADV_GUARD_INSTALL) == 0;
  if (known == Install::kWorks && done) return true;
  const bool works = done && faults(guard);
  guard_install.store(works ? Install::kWorks : Install::kMissing, std::memory_order_relaxed);
  return works;
}

}  // namespace

char* map_stacks(std::size_t size) {
  const long address = base::sys(SYS_mmap, nullptr, size, PROT_READ | PROT_WRITE,
                                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
  if (address < 0 && address > -4096) return nullptr;
  auto* const stacks = reinterpret_cast<char*>(address);
  // A huge page would make every parked goroutine hold 2 MiB.
  base::sys(SYS_madvise, stacks, size, MADV_NOHUGEPAGE);
  return stacks;
}

StackGuard StackSlab::protect(std::size_t index) {
  char* guard = base_ + index * slot_;
  if (!take_split(kSplitFirst)) {
    if (install_guard(guard)) return StackGuard::kFault;
    if (!take_split()) return StackGuard::kZeroed;
  }
  // ENOMEM although there should be mappings left: the program has many of its own.
  if (base::sys(SYS_mprotect, guard, kGuardSize, PROT_NONE) != 0) {
    give_splits(1);
    return install_guard(guard) ? StackGuard::kFault : StackGuard::kZeroed;
  }
  ++split_off_;
  return StackGuard::kFault;
}

void StackSlab::unmap() {
  if (base_ != nullptr) base::sys(SYS_munmap, base_, count_ * slot_);
  base_ = nullptr;
  give_splits(split_off_);
  split_off_ = 0;
}

void pretend_old_kernel(std::int64_t guards) {
  guard_install.store(Install::kMissing);
  splits_left.store(guards);
  splits_in_all.store(guards);
}

void forget_pages(char* lo, std::size_t size) { base::sys(SYS_madvise, lo, size, MADV_DONTNEED); }

}  // namespace netpoll::context
