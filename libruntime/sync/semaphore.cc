// Semaphore: permits, and those who wait for more than there are.
#include "netpoll/sync/semaphore.h"

#include "libruntime/base/fatal.h"
#include "libruntime/sched/random_step.h"
#include "libruntime/sync/waiter.h"
#include "netpoll/time.h"

namespace netpoll {
namespace {

void check(std::int64_t n) {
  if (n <= 0) base::fatalf("netpoll: Semaphore asked for %lld permits", static_cast<long long>(n));
}

// The part of Semaphore::state_ that permits make.
std::uint64_t in_state(std::int64_t permits) { return static_cast<std::uint64_t>(permits) << 1; }

// permits + n, which may not be more than an int64_t counts.
std::int64_t sum(std::int64_t permits, std::int64_t n) {
  std::int64_t result = 0;
  if (__builtin_add_overflow(permits, n, &result)) {
    base::fatalf("netpoll: Semaphore of %lld permits given %lld more", static_cast<long long>(permits),
                 static_cast<long long>(n));
  }
  return result;
}

}  // namespace

Semaphore::Semaphore(std::int64_t permits) : state_(in_state(permits)) {
  if (permits < 0) base::fatalf("netpoll: Semaphore with %lld permits", static_cast<long long>(permits));
}

bool Semaphore::try_acquire(std::int64_t n) {
  check(n);
  std::uint64_t state = state_.load(std::memory_order_relaxed);
  while ((state & 1) == 0 && permits_in(state) >= n) {
    if (state_.compare_exchange_weak(state, state - in_state(n), std::memory_order_acquire,
                                     std::memory_order_relaxed)) {
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
  std::uint64_t state = state_.load(std::memory_order_relaxed);
  while ((state & 1) == 0) {
    if (state_.compare_exchange_weak(state, in_state(sum(permits_in(state), n)), std::memory_order_release,
                                     std::memory_order_relaxed)) {
      return;
    }
  }
  release_slow(n);
}

void Semaphore::release_slow(std::int64_t n) {
  NETPOLL_STEP();
  const base::MutexLock hold(queue_.lock);
  std::uint64_t state = state_.load(std::memory_order_acquire);
  while ((state & 1) == 0) {
    // The last waiter gave up before we had the lock.
    if (state_.compare_exchange_weak(state, in_state(sum(permits_in(state), n)), std::memory_order_release,
                                     std::memory_order_acquire)) {
      return;
    }
  }
  grant_locked(sum(permits_in(state), n));
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
  state_.store(in_state(permits) | (queue_.list.head != nullptr ? 1 : 0), std::memory_order_release);
}

Result<void> Semaphore::acquire_slow(std::int64_t n, std::int64_t deadline) {
  queue_.lock.lock();
  std::uint64_t state = state_.load(std::memory_order_relaxed);
  for (;;) {
    NETPOLL_STEP();
    const bool take = (state & 1) == 0 && permits_in(state) >= n;
    const std::uint64_t next = take ? state - in_state(n) : state | 1;
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
  const std::uint64_t state_now = state_.load(std::memory_order_acquire);
  if ((state_now & 1) != 0) grant_locked(permits_in(state_now));
  return sync::chan_error(sync::to_status(result), "acquire semaphore");
}

}  // namespace netpoll
