// The slow halves of Mutex. After Go's sync/mutex.go, with the queue in the mutex instead of a global table, so the
// number of waiters need not be part of the state.
#include "netpoll/sync/mutex.h"

#include <mutex>

#include "libruntime/base/clock.h"
#include "libruntime/base/fatal.h"
#include "libruntime/sched/random_step.h"
#include "libruntime/sync/spin.h"
#include "libruntime/sync/waiter.h"

namespace netpoll {
namespace {

constexpr std::int64_t kStarvationNs = 1'000'000;

}  // namespace

bool Mutex::try_lock() {
  std::uint32_t state = state_.load(std::memory_order_relaxed);
  // kStarving implies kLocked, so a free mutex belongs to whoever takes it.
  while ((state & kLocked) == 0) {
    if (state_.compare_exchange_weak(state, state | kLocked, std::memory_order_acquire, std::memory_order_relaxed)) {
      return true;
    }
  }
  return false;
}

void Mutex::lock_slow() {
  std::int64_t waiting_since = 0;
  bool starving = false;
  std::uint32_t woken = 0;  // kWoken while this goroutine is the one that unlock() woke
  sync::Spin spin;
  for (;;) {
    NETPOLL_STEP();
    std::uint32_t state = state_.load(std::memory_order_relaxed);
    if ((state & kLocked) == 0) {
      if (state_.compare_exchange_weak(state, (state | kLocked) & ~woken, std::memory_order_acquire,
                                       std::memory_order_relaxed)) {
        return;
      }
      continue;
    }
    if (!starving && (state & kStarving) == 0 && spin.once()) continue;

    queue_.lock.lock();
    state = state_.load(std::memory_order_relaxed);
    bool queue = false;
    while ((state & kLocked) != 0 && !queue) {
      NETPOLL_STEP();
      const std::uint32_t next = ((state | kWaiters) & ~woken) | (starving ? kStarving : 0);
      queue = state_.compare_exchange_weak(state, next, std::memory_order_relaxed, std::memory_order_relaxed);
    }
    if (!queue) {
      queue_.lock.unlock();
      continue;
    }
    sync::Waiter waiter{.handle = sched::begin_wait()};
    if (waiting_since == 0) {
      waiting_since = base::nanotime();
      push_back(queue_.list, waiter);
    } else {
      push_front(queue_.list, waiter);
    }
    queue_.lock.unlock();
    sched::finish_wait(waiter.handle, WaitReason::kMutex, false);

    const bool long_wait = base::nanotime() - waiting_since > kStarvationNs;
    if (waiter.won) {
      // Handed over, still locked and starving. Normal mode is far cheaper, so the last waiter and one that waited
      // only briefly return to it.
      state = state_.load(std::memory_order_relaxed);
      while ((state & kWaiters) == 0 || !long_wait) {
        if (state_.compare_exchange_weak(state, state & ~kStarving, std::memory_order_relaxed,
                                         std::memory_order_relaxed)) {
          break;
        }
      }
      return;
    }
    starving = long_wait;
    woken = kWoken;
    spin = {};
  }
}

void Mutex::unlock_slow() {
  std::uint32_t state = state_.load(std::memory_order_relaxed);
  for (;;) {
    NETPOLL_STEP();
    if ((state & kLocked) == 0) base::fatal("netpoll: unlock of unlocked Mutex");
    const bool wake_nobody = (state & kWaiters) == 0 || (state & (kWoken | kStarving)) == kWoken;
    if (!wake_nobody) break;
    // The last access: whoever locks next may destroy the mutex.
    if (state_.compare_exchange_weak(state, state & ~(kLocked | kStarving), std::memory_order_release,
                                     std::memory_order_relaxed)) {
      return;
    }
  }

  // There is a waiter, and it stays until somebody takes it off the queue, which only the owner does: us.
  queue_.lock.lock();
  sync::Waiter* const waiter = pop_front(queue_.list);
  const std::uint32_t waiters = queue_.list.head != nullptr ? kWaiters : 0;
  state = state_.load(std::memory_order_relaxed);
  std::uint32_t next = 0;
  do {
    NETPOLL_STEP();
    waiter->won = (state & kStarving) != 0;
    next = (state & ~kWaiters) | waiters;
    if (!waiter->won) next = (next & ~kLocked) | kWoken;
  } while (!state_.compare_exchange_weak(state, next, std::memory_order_release, std::memory_order_relaxed));
  queue_.lock.unlock();
  NETPOLL_STEP();
  // From here on without the mutex, which the waiter may destroy.
  sched::wake(waiter->handle, sched::WakeResult::kOk);
  sched::share_queue();
}

}  // namespace netpoll
