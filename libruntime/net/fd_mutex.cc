#include "libruntime/net/fd_mutex.h"

#include <mutex>

#include "libruntime/base/fatal.h"
#include "libruntime/sched/wait.h"

namespace netpoll::net {
namespace {

[[noreturn, gnu::cold]] void overflow() {
  base::fatal("netpoll: too many concurrent operations on a single descriptor (max 1048575)");
}

[[noreturn, gnu::cold]] void inconsistent() { base::fatal("netpoll: inconsistent fd mutex"); }

}  // namespace

// On the waiting goroutine's stack.
struct FdMutex::Waiter {
  sched::WaitHandle handle;
  Semaphore semaphore;
  Waiter* next = nullptr;
};

bool FdMutex::incref() {
  std::uint64_t old = state_.load(std::memory_order_relaxed);
  for (;;) {
    if (old & kClosed) return false;
    const std::uint64_t next = old + kRef;
    if ((next & kRefMask) == 0) overflow();
    if (state_.compare_exchange_weak(old, next, std::memory_order_acquire, std::memory_order_relaxed)) return true;
  }
}

bool FdMutex::incref_and_close() {
  std::uint64_t old = state_.load(std::memory_order_relaxed);
  for (;;) {
    if (old & kClosed) return false;
    std::uint64_t next = (old | kClosed) + kRef;
    if ((next & kRefMask) == 0) overflow();
    // The waiters are taken out of the count here, and each finds the closed bit once it is awake.
    next &= ~(wait_mask(Lock::kRead) | wait_mask(Lock::kWrite));
    if (state_.compare_exchange_weak(old, next, std::memory_order_acq_rel, std::memory_order_relaxed)) break;
  }
  release_all(old, Lock::kRead);
  release_all(old, Lock::kWrite);
  return true;
}

bool FdMutex::decref() {
  std::uint64_t old = state_.load(std::memory_order_relaxed);
  for (;;) {
    if ((old & kRefMask) == 0) inconsistent();
    const std::uint64_t next = old - kRef;
    if (state_.compare_exchange_weak(old, next, std::memory_order_acq_rel, std::memory_order_relaxed)) {
      return (next & (kClosed | kRefMask)) == kClosed;
    }
  }
}

bool FdMutex::lock(Lock which) {
  const std::uint64_t bit = lock_bit(which);
  std::uint64_t old = state_.load(std::memory_order_relaxed);
  for (;;) {
    if (old & kClosed) return false;
    std::uint64_t next;
    if ((old & bit) == 0) {
      next = (old | bit) + kRef;
      if ((next & kRefMask) == 0) overflow();
    } else {
      next = old + wait_one(which);
      if ((next & wait_mask(which)) == 0) overflow();
    }
    if (!state_.compare_exchange_weak(old, next, std::memory_order_acquire, std::memory_order_relaxed)) continue;
    if ((old & bit) == 0) return true;
    // Whoever wakes us has already taken us out of the count.
    acquire(static_cast<Semaphore>(which), WaitReason::kFdMutex);
    old = state_.load(std::memory_order_relaxed);
  }
}

bool FdMutex::unlock(Lock which) {
  const std::uint64_t bit = lock_bit(which);
  std::uint64_t old = state_.load(std::memory_order_relaxed);
  for (;;) {
    if ((old & bit) == 0 || (old & kRefMask) == 0) inconsistent();
    std::uint64_t next = (old & ~bit) - kRef;
    const bool waiting = (old & wait_mask(which)) != 0;
    if (waiting) next -= wait_one(which);
    if (state_.compare_exchange_weak(old, next, std::memory_order_acq_rel, std::memory_order_relaxed)) {
      if (waiting) release(static_cast<Semaphore>(which));
      return (next & (kClosed | kRefMask)) == kClosed;
    }
  }
}

void FdMutex::release_all(std::uint64_t old_state, Lock which) {
  for (std::uint64_t n = (old_state & wait_mask(which)) >> wait_shift(which); n > 0; --n) {
    release(static_cast<Semaphore>(which));
  }
}

void FdMutex::wait_destroyed() { acquire(kDestroyed, WaitReason::kFdClose); }

void FdMutex::notify_destroyed() { release(kDestroyed); }

// Uncancelable: whoever holds what is waited for does I/O, and that is what a shutdown cancels.
void FdMutex::acquire(Semaphore semaphore, WaitReason reason) {
  Waiter waiter{.handle = {}, .semaphore = semaphore};
  {
    std::lock_guard guard(waiters_lock_);
    if (permits_[semaphore] > 0) {
      --permits_[semaphore];
      return;
    }
    waiter.handle = sched::begin_wait();
    if (last_ != nullptr) {
      waiter.next = last_->next;
      last_->next = &waiter;
    } else {
      waiter.next = &waiter;
    }
    last_ = &waiter;
  }
  sched::finish_wait(waiter.handle, reason, /*cancelable=*/false);
}

void FdMutex::release(Semaphore semaphore) {
  sched::WaitHandle handle;
  {
    std::lock_guard guard(waiters_lock_);
    Waiter* previous = last_;
    while (previous != nullptr && previous->next->semaphore != semaphore) {
      previous = previous->next;
      if (previous == last_) previous = nullptr;  // once around
    }
    if (previous == nullptr) {
      ++permits_[semaphore];
      return;
    }
    Waiter* waiter = previous->next;
    previous->next = waiter->next;
    if (last_ == waiter) last_ = previous != waiter ? previous : nullptr;
    handle = waiter->handle;
  }
  // Off the list nobody else can wake it, and its stack frame is gone right after this.
  sched::wake(handle, sched::WakeResult::kOk);
}

}  // namespace netpoll::net
