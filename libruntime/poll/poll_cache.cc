// Chunks of pollDescs, and the list of the free ones.
#include "libruntime/poll/poll_cache.h"

#include <new>

#include "libruntime/base/fatal.h"
#include "libruntime/base/system.h"

namespace netpoll::poll {

PollCache::PollCache() {
  chunks_ = static_cast<PollDesc**>(base::map_lazily(kMaxChunks * sizeof(PollDesc*)));
  if (chunks_ == nullptr) base::fatal("netpoll: no memory for the pollDesc table");
}

PollCache::~PollCache() {
  for (std::uint64_t i = 0; i < count(); i += kPerChunk) delete[] chunks_[i / kPerChunk];
  base::unmap(chunks_, kMaxChunks * sizeof(PollDesc*));
}

PollDesc* PollCache::get() {
  const base::MutexLock lock(mutex_);
  PollDesc* pd = nullptr;
  if (!free_.empty()) {
    pd = free_.back();
    free_.pop_back();
  } else {
    std::uint64_t index = count_.load(std::memory_order_relaxed);
    if (index % kPerChunk == 0) {
      if (index / kPerChunk == kMaxChunks) return nullptr;
      chunks_[index / kPerChunk] = new (std::nothrow) PollDesc[kPerChunk];
      if (chunks_[index / kPerChunk] == nullptr) return nullptr;
    }
    if (index == 0) index = 1;
    pd = &chunks_[index / kPerChunk][index % kPerChunk];
    pd->index = static_cast<std::uint32_t>(index);
    count_.store(index + 1, std::memory_order_release);
  }
  in_use_.fetch_add(1, std::memory_order_relaxed);
  return pd;
}

void PollCache::put(PollDesc& pd) {
  const base::MutexLock lock(mutex_);
  pd.fd.store(-1, std::memory_order_relaxed);
  // 0 is skipped, so that no data word is the wake descriptor's.
  const std::uint32_t seq = pd.seq.load(std::memory_order_relaxed) + 1;
  pd.seq.store(seq != 0 ? seq : 1, std::memory_order_seq_cst);
  free_.push_back(&pd);
  in_use_.fetch_sub(1, std::memory_order_relaxed);
}

}  // namespace netpoll::poll
