// poll_cache.h: the type-stable memory of pollDescs (Go: netpoll.go, pollCache).
#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

#include "libruntime/poll/poll_desc.h"
#include "netpoll/base/mutex.h"

namespace netpoll::poll {

// PollCache: pollDescs by index, from 1, in chunks that never move. Thread-safe.
class PollCache {
 public:
  static constexpr std::uint32_t kPerChunk = 64;
  static constexpr std::uint32_t kMaxChunks = 65536;  // 4 million descriptors

  PollCache();
  ~PollCache();

  // A pollDesc with fd -1 and a fresh seq. Null when memory or indices are exhausted.
  PollDesc* get();
  // Gives pd back; its seq moves on, so events that are still under way for it are recognised as stale.
  void put(PollDesc& pd);

  // The pollDesc with this index, null when there never was one.
  PollDesc* at(std::uint32_t index) const {
    return index != 0 && index < count() ? &chunks_[index / kPerChunk][index % kPerChunk] : nullptr;
  }
  // Indices below this one exist (index 0 is never used).
  std::uint64_t count() const { return count_.load(std::memory_order_acquire); }
  std::uint32_t in_use() const { return in_use_.load(std::memory_order_relaxed); }

  // For the debug ABI.
  const void* chunk_array() const { return chunks_; }
  const void* count_address() const { return &count_; }

 private:
  base::Mutex mutex_;
  PollDesc** chunks_;
  std::vector<PollDesc*> free_ NETPOLL_GUARDED_BY(mutex_);
  std::atomic<std::uint64_t> count_{0};
  std::atomic<std::uint32_t> in_use_{0};
};

}  // namespace netpoll::poll
