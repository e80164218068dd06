// fd_mutex.h: who may use a descriptor, and when it may be closed.
//
// Model: Go's internal/poll.fdMutex. One 64-bit word holds everything, so that taking or leaving costs one
// compare-and-swap:
//
//   bit  0       closed: nobody new gets in
//   bit  1       read lock      bit  2       write lock
//   bits 3..22   references: running operations, at most 1,048,575
//   bits 23..42  goroutines waiting for the read lock
//   bits 43..62  goroutines waiting for the write lock
//
// A read holds the read lock and a reference, a write the write lock and a reference; what needs neither order nor
// exclusion (deadlines, setsockopt, RawConn::control) holds a reference. Whoever drops the last reference of a closed
// descriptor destroys it. Too many operations at once and unbalanced calls are fatal: they are bugs of the caller.
#pragma once

#include <atomic>
#include <cstdint>

#include "netpoll/base/mutex.h"
#include "netpoll/wait_reason.h"

namespace netpoll::net {

class FdMutex {
 public:
  enum class Lock : std::uint32_t { kRead = 0, kWrite = 1 };

  // Takes a reference; false when closed.
  bool incref();
  // Marks closed, takes a reference and sends all lock waiters home; false when it was closed already.
  bool incref_and_close();
  // Drops a reference; true when it was the last one of a closed descriptor: the caller destroys it.
  bool decref();

  // Takes a lock and a reference, parking while somebody else holds the lock; false when closed.
  bool lock(Lock which) {
    std::uint64_t old = state_.load(std::memory_order_relaxed);
    if ((old & (kClosed | lock_bit(which))) == 0 && (old & kRefMask) != kRefMask &&
        state_.compare_exchange_strong(old, (old | lock_bit(which)) + kRef, std::memory_order_acquire,
                                       std::memory_order_relaxed)) [[likely]] {
      return true;
    }
    return lock_slow(which);
  }
  // Drops both; the result as decref()'s.
  bool unlock(Lock which) {
    std::uint64_t old = state_.load(std::memory_order_relaxed);
    if ((old & (kClosed | wait_mask(which))) == 0 && (old & lock_bit(which)) != 0 && (old & kRefMask) != 0 &&
        state_.compare_exchange_strong(old, (old & ~lock_bit(which)) - kRef, std::memory_order_acq_rel,
                                       std::memory_order_relaxed)) [[likely]] {
      return false;
    }
    return unlock_slow(which);
  }

  // For close(): parks until whoever held the last reference has called notify_destroyed().
  void wait_destroyed();
  void notify_destroyed();

  bool closed() const { return (state_.load(std::memory_order_acquire) & kClosed) != 0; }

 private:
  static constexpr std::uint64_t kClosed = 1u << 0;
  static constexpr std::uint64_t kRef = 1u << 3;
  static constexpr std::uint64_t kCountMask = (1u << 20) - 1;
  static constexpr std::uint64_t kRefMask = kCountMask << 3;
  static constexpr std::uint64_t lock_bit(Lock which) { return std::uint64_t{2} << static_cast<unsigned>(which); }
  static constexpr unsigned wait_shift(Lock which) { return 23 + 20 * static_cast<unsigned>(which); }
  static constexpr std::uint64_t wait_one(Lock which) { return std::uint64_t{1} << wait_shift(which); }
  static constexpr std::uint64_t wait_mask(Lock which) { return kCountMask << wait_shift(which); }

  // A counting semaphore per reason to park. A release that comes before its acquire is kept as a permit: the word
  // above says that somebody will wait, and that somebody may not have parked yet.
  enum Semaphore : std::uint32_t { kReadSemaphore = 0, kWriteSemaphore = 1, kDestroyed = 2 };
  struct Waiter;
  struct Queue;
  bool lock_slow(Lock which);
  bool unlock_slow(Lock which);
  Queue& queue() const;
  void acquire(Semaphore semaphore, WaitReason reason);
  void release(Semaphore semaphore);
  void release_all(std::uint64_t old_state, Lock which);

  std::atomic<std::uint64_t> state_{0};
  // What was released before it was acquired; guarded by the queue's lock. A permit is for somebody between his change
  // of state_ and acquire(), where a goroutine cannot park: there are never more than threads. Small, so that the
  // owner's flags fit behind them.
  std::uint16_t permits_[2] = {0, 0};
  bool destroyed_ = false;
};

}  // namespace netpoll::net
