// The heap of timers of a P.
#include "libruntime/sched/timers.h"

#include <algorithm>

namespace netpoll::sched {
namespace {
constexpr std::size_t kArity = 4;
}

bool TimerHeap::add(HeapTimer& timer) {
  const base::MutexLock lock(mutex_);
  heap_.push_back({std::min(timer.when, kNoTimer - 1), &timer});
  timer.heap.store(this, std::memory_order_relaxed);
  sift_up(heap_.size() - 1);
  if (heap_[0].timer != &timer) return false;
  publish_earliest();
  return true;
}

bool TimerHeap::remove(HeapTimer& timer) {
  const base::MutexLock lock(mutex_);
  if (timer.heap.load(std::memory_order_relaxed) != this) return false;
  const bool was_first = timer.index == 0;
  remove_at(timer.index);
  if (was_first) publish_earliest();
  return true;
}

std::size_t TimerHeap::run(std::int64_t now) {
  std::size_t ran = 0;
  while (earliest() <= now) {
    HeapTimer::Callback callback;
    void* arg;
    std::uint64_t seq;
    {
      const base::MutexLock lock(mutex_);
      if (heap_.empty() || heap_[0].when > now) return ran;
      HeapTimer& timer = *heap_[0].timer;
      callback = timer.callback;
      arg = timer.arg;
      seq = timer.seq;
      remove_at(0);
      publish_earliest();
    }
    callback(arg, seq);
    ++ran;
  }
  return ran;
}

std::size_t TimerHeap::size() const {
  const base::MutexLock lock(mutex_);
  return heap_.size();
}

void TimerHeap::remove_at(std::size_t i) {
  heap_[i].timer->heap.store(nullptr, std::memory_order_release);
  const Entry last = heap_.back();
  heap_.pop_back();
  if (i == heap_.size()) return;
  heap_[i] = last;
  sift_up(i);
  sift_down(last.timer->index);
}

void TimerHeap::place(std::size_t i, Entry entry) {
  heap_[i] = entry;
  entry.timer->index = static_cast<std::uint32_t>(i);
}

void TimerHeap::sift_up(std::size_t i) {
  const Entry entry = heap_[i];
  while (i > 0) {
    const std::size_t parent = (i - 1) / kArity;
    if (heap_[parent].when <= entry.when) break;
    place(i, heap_[parent]);
    i = parent;
  }
  place(i, entry);
}

void TimerHeap::sift_down(std::size_t i) {
  const Entry entry = heap_[i];
  for (;;) {
    const std::size_t first = i * kArity + 1;
    if (first >= heap_.size()) break;
    std::size_t least = first;
    for (std::size_t c = first + 1; c < first + kArity && c < heap_.size(); ++c) {
      if (heap_[c].when < heap_[least].when) least = c;
    }
    if (heap_[least].when >= entry.when) break;
    place(i, heap_[least]);
    i = least;
  }
  place(i, entry);
}

void TimerHeap::publish_earliest() {
  earliest_.store(heap_.empty() ? kNoTimer : heap_[0].when, std::memory_order_seq_cst);
}

}  // namespace netpoll::sched
