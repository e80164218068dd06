// The word of an fd mutex, and the queues of those that wait for one.
#include "libruntime/net/fd_mutex.h"

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
  const FdMutex* mutex;
  Semaphore semaphore;
  sched::WaitHandle handle;
  Waiter* next = nullptr;   // who came later for the same
  Waiter* last = nullptr;   // of the first: the latest of them
  Waiter* other = nullptr;  // of the first: the first who waits for something else
};

// The waiters of many mutexes. To wait here is rare (two goroutines in the same direction of one descriptor, or one
// that closes it under another's hands), so a descriptor holds no list of its own (Go: runtime/sema.go, semtable).
struct alignas(64) FdMutex::Queue {
  base::Mutex lock;
  Waiter* first NETPOLL_GUARDED_BY(lock) = nullptr;

  // Where the first waiter for this semaphore hangs, or would.
  Waiter** find(const FdMutex* mutex, Semaphore semaphore) NETPOLL_REQUIRES(lock) {
    Waiter** at = &first;
    while (*at != nullptr && ((*at)->mutex != mutex || (*at)->semaphore != semaphore)) at = &(*at)->other;
    return at;
  }
};

FdMutex::Queue& FdMutex::queue() const {
  constexpr int kBits = 6;
  static Queue queues[1 << kBits];
  // Fibonacci hashing: the upper bits of the product depend on all of the address.
  return queues[reinterpret_cast<std::uintptr_t>(this) * std::uint64_t{0x9e3779b97f4a7c15} >> (64 - kBits)];
}

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

bool FdMutex::lock_slow(Lock which) {
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

bool FdMutex::unlock_slow(Lock which) {
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
  Waiter waiter{.mutex = this, .semaphore = semaphore, .handle = {}};
  {
    Queue& waiters = queue();
    const base::MutexLock guard(waiters.lock);
    if (semaphore == kDestroyed) {
      if (destroyed_) return;
    } else if (permits_[semaphore] > 0) {
      --permits_[semaphore];
      return;
    }
    waiter.handle = sched::begin_wait();
    Waiter*& first = *waiters.find(this, semaphore);
    if (first == nullptr) {
      first = &waiter;
    } else {
      first->last->next = &waiter;
    }
    first->last = &waiter;
  }
  sched::finish_wait(waiter.handle, reason, /*cancelable=*/false);
}

void FdMutex::release(Semaphore semaphore) {
  sched::WaitHandle handle;
  {
    Queue& waiters = queue();
    const base::MutexLock guard(waiters.lock);
    Waiter*& first = *waiters.find(this, semaphore);
    if (first == nullptr) {
      if (semaphore == kDestroyed) {
        destroyed_ = true;
      } else {
        ++permits_[semaphore];
      }
      return;
    }
    handle = first->handle;
    if (Waiter* next = first->next; next != nullptr) {
      next->last = first->last;
      next->other = first->other;
      first = next;
    } else {
      first = first->other;
    }
  }
  // Off the list nobody else can wake it, and its stack frame is gone right after this.
  sched::wake(handle, sched::WakeResult::kOk);
}

}  // namespace netpoll::net
