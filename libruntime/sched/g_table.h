// g_table.h: all Gs of a Scheduler, in chunks that never move.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "libruntime/context/stack.h"
#include "libruntime/sched/g.h"
#include "netpoll/base/mutex.h"

namespace netpoll::sched {

// GTable: append-only. Reading by index needs no lock; records 0 .. count()-1 are complete.
class GTable {
 public:
  static constexpr std::uint32_t kPerChunk = 256;
  static constexpr std::uint32_t kMaxChunks = 65536;  // 16 million goroutines

  explicit GTable(std::size_t stack_size);
  ~GTable();

  // Adds a G with a cold stack (kIdle, not yet guarded). Null when address space or chunks are exhausted.
  G* add(Scheduler* scheduler);
  G& at(std::uint64_t index) const { return chunks_[index / kPerChunk][index % kPerChunk]; }
  std::uint64_t count() const { return count_.load(std::memory_order_acquire); }
  // Installs the guard at a stack's first use. Says once per process, on stderr, when the kernel has no more of them
  // and overflows will be found by looking.
  void guard_stack(G* g);
  // Whether address lies in the guard or below the usable part of some stack; returns that G, else null.
  // Async-signal-safe.
  G* find_by_guard_address(const void* address) const;

  // For the debug ABI.
  const void* chunk_array() const { return chunks_; }
  const void* count_address() const { return &count_; }

 private:
  const std::size_t stack_size_;
  base::Mutex mutex_;
  G** chunks_;  // kMaxChunks pointers, mapped lazily by the kernel
  std::atomic<std::uint64_t> count_{0};
  std::vector<context::StackSlab> slabs_ NETPOLL_GUARDED_BY(mutex_);
};

}  // namespace netpoll::sched
