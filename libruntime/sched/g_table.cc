// Chunks of Gs, and how they are published for readers outside.
#include "libruntime/sched/g_table.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

#include "libruntime/base/fatal.h"
#include "libruntime/base/system.h"

namespace netpoll::sched {

GTable::GTable(std::size_t stack_size) : stack_size_(stack_size) {
  chunks_ = static_cast<G**>(base::map_lazily(kMaxChunks * sizeof(G*)));
  if (chunks_ == nullptr) base::fatal("netpoll: no memory for the goroutine table");
}

GTable::~GTable() {
  const std::uint64_t chunk_count = (count() + kPerChunk - 1) / kPerChunk;
  for (std::uint64_t i = 0; i < count(); ++i) context::fiber_destroy(at(i).context.fiber);
  for (std::uint64_t i = 0; i < chunk_count; ++i) delete[] chunks_[i];
  for (auto& slab : slabs_) slab.unmap();
  base::unmap(chunks_, kMaxChunks * sizeof(G*));
}

G* GTable::add(Scheduler* scheduler) {
  const base::MutexLock lock(mutex_);
  const std::uint64_t index = count_.load(std::memory_order_relaxed);
  if (index % kPerChunk == 0) {
    if (index / kPerChunk == kMaxChunks) return nullptr;
    auto slab = context::StackSlab::map(kPerChunk, stack_size_);
    if (!slab.valid()) return nullptr;
    chunks_[index / kPerChunk] = new (std::nothrow) G[kPerChunk];
    if (chunks_[index / kPerChunk] == nullptr) {
      slab.unmap();
      return nullptr;
    }
    slabs_.push_back(slab);
  }
  G& g = at(index);
  g.stack = slabs_.back().at(index % kPerChunk);
  g.stack_index = static_cast<std::uint32_t>(index);
  g.scheduler = scheduler;
  count_.store(index + 1, std::memory_order_release);
  return &g;
}

void swap_stacks(G& a, G& b) {
  const context::Stack stack = a.stack;
  for (const auto& [g, with] : {std::pair{&a, b.stack}, std::pair{&b, stack}}) {
    __atomic_store_n(&g->stack.lo, with.lo, __ATOMIC_RELAXED);  // see peek_stack()
    __atomic_store_n(&g->stack.hi, with.hi, __ATOMIC_RELAXED);
  }
  std::swap(a.stack_index, b.stack_index);
  std::swap(a.guard, b.guard);
  std::swap(a.cold, b.cold);
}

G* GTable::find_by_guard_address(const void* address) const {
  const auto* at_address = static_cast<const char*>(address);
  for (std::uint64_t i = 0; i < count(); ++i) {
    G& g = at(i);
    const auto* lo = static_cast<const char*>(peek_stack(g).lo);
    if (at_address >= lo - context::kGuardSize && at_address < lo) return &g;
  }
  return nullptr;
}

void GTable::guard_stack(G* g) {
  {
    const base::MutexLock lock(mutex_);
    g->guard = slabs_[g->stack_index / kPerChunk].protect(g->stack_index % kPerChunk);
  }
  static std::atomic<bool> said{false};
  if (g->guard != context::StackGuard::kZeroed || said.exchange(true, std::memory_order_relaxed)) return;
  base::log_line(
      "netpoll: no guard page for goroutine stack %llu and those that follow: before Linux 6.13 a guard takes "
      "two memory mappings, and a process may have vm.max_map_count of them",
      static_cast<unsigned long long>(g->stack_index) + 1);
  base::log_line(
      "hint: sysctl -w vm.max_map_count=%llu; until then an overflow of such a stack is found when its "
      "goroutine parks, yields or ends",
      std::max(1'048'576ull, static_cast<unsigned long long>(g->stack_index) * 8));
}

}  // namespace netpoll::sched
