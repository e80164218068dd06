// RwMutex, after Go's sync/rwmutex.go; its two runtime semaphores are the queues with their grants here.
#include "netpoll/sync/rwmutex.h"

#include "libruntime/base/fatal.h"
#include "libruntime/sched/random_step.h"
#include "libruntime/sync/waiter.h"

namespace netpoll {
namespace {

// Takes a grant, or parks until one comes. A grant and its waiter may arrive in either order.
void await_grant(sync::GrantQueue& queue, WaitReason reason) {
  queue.lock.lock();
  if (queue.grants > 0) {
    --queue.grants;
    queue.lock.unlock();
    return;
  }
  sync::Waiter waiter{.handle = sched::begin_wait()};
  push_back(queue.list, waiter);
  queue.lock.unlock();
  NETPOLL_STEP();
  sched::finish_wait(waiter.handle, reason, false);
}

void give_grants(sync::GrantQueue& queue, std::int32_t count) {
  sync::WaitList woken;
  {
    const base::MutexLock hold(queue.lock);
    for (; count > 0; --count) {
      sync::Waiter* const waiter = pop_front(queue.list);
      if (waiter == nullptr) break;
      push_back(woken, *waiter);
    }
    queue.grants += count;
  }
  NETPOLL_STEP();
  wake_all(woken);
  sched::share_queue();
}

}  // namespace

bool RwMutex::try_lock_shared() {
  std::int32_t readers = readers_.load(std::memory_order_relaxed);
  while (readers >= 0) {
    if (readers_.compare_exchange_weak(readers, readers + 1, std::memory_order_acquire, std::memory_order_relaxed)) {
      return true;
    }
  }
  return false;
}

void RwMutex::lock_shared_slow() { await_grant(read_queue_, WaitReason::kRwMutexRead); }

void RwMutex::unlock_shared_slow(std::int32_t before) {
  if (before == 0 || before == -kMaxReaders) base::fatal("netpoll: unlock_shared of unlocked RwMutex");
  NETPOLL_STEP();
  // A writer waits. The last of the readers it found inside lets it in.
  if (departing_.fetch_sub(1, std::memory_order_acq_rel) == 1) give_grants(write_queue_, 1);
}

void RwMutex::lock() {
  writers_.lock();
  const std::int32_t inside = readers_.fetch_sub(kMaxReaders, std::memory_order_acq_rel);
  NETPOLL_STEP();
  // Readers that left since then have made departing_ negative; the sum is zero if all have.
  if (inside != 0 && departing_.fetch_add(inside, std::memory_order_acq_rel) + inside != 0) {
    await_grant(write_queue_, WaitReason::kRwMutexWrite);
  }
}

bool RwMutex::try_lock() {
  if (!writers_.try_lock()) return false;
  std::int32_t none = 0;
  if (readers_.compare_exchange_strong(none, -kMaxReaders, std::memory_order_acquire, std::memory_order_relaxed)) {
    return true;
  }
  writers_.unlock();
  return false;
}

void RwMutex::unlock() {
  const std::int32_t waiting = readers_.fetch_add(kMaxReaders, std::memory_order_acq_rel) + kMaxReaders;
  if (waiting >= kMaxReaders) base::fatal("netpoll: unlock of unlocked RwMutex");
  NETPOLL_STEP();
  // The readers that came meanwhile, before the next writer.
  if (waiting > 0) give_grants(read_queue_, waiting);
  writers_.unlock();
}

}  // namespace netpoll
