#include "netpoll/sync/semaphore.h"

#include "libruntime/base/fatal.h"
#include "libruntime/sched/inject.h"
#include "libruntime/sync/waiter.h"
#include "netpoll/time.h"

namespace netpoll {
namespace {

void check(std::int64_t n) {
  if (n <= 0) base::fatalf("netpoll: Semaphore asked for %lld permits", static_cast<long long>(n));
}

}  // namespace

bool Semaphore::try_acquire(std::int64_t n) {
  check(n);
  std::int64_t state = state_.load(std::memory_order_relaxed);
  while ((state & 1) == 0 && state >> 1 >= n) {
    if (state_.compare_exchange_weak(state, state - 2 * n, std::memory_order_acquire, std::memory_order_relaxed)) {
      return true;
    }
  }
  return false;
}

Result<void> Semaphore::acquire(std::int64_t n) {
  if (try_acquire(n)) return {};
  return acquire_slow(n, sync::kForever);
}

Result<void> Semaphore::acquire_until(std::chrono::steady_clock::time_point deadline, std::int64_t n) {
  if (try_acquire(n)) return {};
  return acquire_slow(n, detail::to_ns(deadline));
}

void Semaphore::release(std::int64_t n) {
  check(n);
  std::int64_t state = state_.load(std::memory_order_relaxed);
  while ((state & 1) == 0) {
    if (state_.compare_exchange_weak(state, state + 2 * n, std::memory_order_release, std::memory_order_relaxed)) {
      return;
    }
  }
  release_slow(n);
}

void Semaphore::release_slow(std::int64_t n) {
  NETPOLL_STEP();
  const base::MutexLock hold(queue_.lock);
  const std::int64_t state = state_.load(std::memory_order_acquire);
  if ((state & 1) == 0) {
    // The last waiter gave up before we had the lock.
    state_.fetch_add(2 * n, std::memory_order_release);
    return;
  }
  grant_locked((state >> 1) + n);
}

// Serves waiters in order while the permits last. The bit is set, so that nobody but the holder of the lock changes
// state_ until it is stored here.
void Semaphore::grant_locked(std::int64_t permits) {
  while (queue_.list.head != nullptr && queue_.list.head->need <= permits) {
    sync::Waiter* const waiter = pop_front(queue_.list);
    const std::int64_t need = waiter->need;
    NETPOLL_STEP();
    if (sched::wake(waiter->handle, sched::WakeResult::kOk)) permits -= need;
  }
  state_.store(permits << 1 | (queue_.list.head != nullptr ? 1 : 0), std::memory_order_release);
}

Result<void> Semaphore::acquire_slow(std::int64_t n, std::int64_t deadline) {
  queue_.lock.lock();
  std::int64_t state = state_.load(std::memory_order_relaxed);
  for (;;) {
    NETPOLL_STEP();
    const bool take = (state & 1) == 0 && state >> 1 >= n;
    const std::int64_t next = take ? state - 2 * n : state | 1;
    if (!state_.compare_exchange_weak(state, next, std::memory_order_acquire, std::memory_order_relaxed)) continue;
    if (take) {
      queue_.lock.unlock();
      return {};
    }
    break;
  }
  sync::Waiter waiter{.handle = sched::begin_wait(), .need = n};
  push_back(queue_.list, waiter);
  queue_.lock.unlock();
  NETPOLL_STEP();
  const sched::WakeResult result = sync::finish_wait_until(waiter.handle, WaitReason::kSemaphore, deadline);

  // Also after success: release() wakes with the lock held, and our caller may destroy the semaphore.
  const base::MutexLock hold(queue_.lock);
  if (result == sched::WakeResult::kOk) return {};
  remove(queue_.list, waiter);
  // A large request that gives up lets the smaller ones behind it go. Without the bit there is nobody behind it.
  const std::int64_t state_now = state_.load(std::memory_order_acquire);
  if ((state_now & 1) != 0) grant_locked(state_now >> 1);
  return sync::chan_error(sync::to_status(result), "acquire semaphore");
}

}  // namespace netpoll
