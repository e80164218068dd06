// WaitGroup: a count, and those who wait for it to be zero.
#include "netpoll/sync/wait_group.h"

#include "libruntime/base/fatal.h"
#include "libruntime/sched/random_step.h"
#include "libruntime/sync/waiter.h"

namespace netpoll {

void WaitGroup::add(std::int32_t n) {
  const std::int64_t change = std::int64_t{n} * 2;
  const std::int64_t state = state_.fetch_add(change, std::memory_order_acq_rel) + change;
  if (state < 0) base::fatal("netpoll: WaitGroup below zero");
  // At exactly 1 the count is zero and somebody waits. At 0 nobody does and a wait() elsewhere may return and destroy
  // the group at this moment: not one more access.
  NETPOLL_STEP();
  if (state == 1) release_waiters();
}

void WaitGroup::release_waiters() {
  sync::WaitList waiters;
  {
    const base::MutexLock hold(queue_.lock);
    waiters = queue_.list;
    queue_.list.head = queue_.list.tail = nullptr;
    state_.fetch_and(~std::int64_t{1}, std::memory_order_relaxed);
  }
  wake_all(waiters);
}

void WaitGroup::wait() {
  if (state_.load(std::memory_order_acquire) == 0) return;
  queue_.lock.lock();
  NETPOLL_STEP();
  std::int64_t state = state_.load(std::memory_order_acquire);
  do {
    if (state >> 1 == 0) {
      queue_.lock.unlock();
      return;
    }
  } while (!state_.compare_exchange_weak(state, state | 1, std::memory_order_acquire, std::memory_order_acquire));
  sync::Waiter waiter{.handle = sched::begin_wait()};
  push_back(queue_.list, waiter);
  queue_.lock.unlock();
  NETPOLL_STEP();
  sched::finish_wait(waiter.handle, WaitReason::kWaitGroup, false);
}

}  // namespace netpoll
