// Pages cut into cache lines, and the list of the free ones.
#include "libruntime/base/slab.h"

#include <new>

namespace netpoll::base {
namespace {
constexpr std::size_t kPage = 4096;
constexpr std::align_val_t kAlign{Slab::kBlock};
}  // namespace

#if defined(__SANITIZE_ADDRESS__)
// Each block by itself, so that the sanitizer sees the use of one that was given back.
void* Slab::get() { return ::operator new(kBlock, kAlign); }
void Slab::put(void* block) { ::operator delete(block, kAlign); }
#else
void* Slab::get() {
  const MutexLock lock(mutex_);
  if (free_ == nullptr) {
    auto* page = static_cast<std::byte*>(::operator new(kPage, kAlign));
    for (std::size_t at = 0; at < kPage; at += kBlock) free_ = new (page + at) Free{free_};
  }
  Free* block = free_;
  free_ = block->next;
  return block;
}

void Slab::put(void* block) {
  const MutexLock lock(mutex_);
  free_ = new (block) Free{free_};
}
#endif

}  // namespace netpoll::base
