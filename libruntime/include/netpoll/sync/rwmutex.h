// RwMutex: many readers or one writer, between goroutines.
//
//   netpoll::RwMutex table_lock;
//   { std::shared_lock read(table_lock); ... }
//   { std::unique_lock write(table_lock); ... }
//
// Threads:   goroutines only, of any Runtime. Either kind of unlock may be done by another goroutine than the lock.
// Fairness:  neither side starves (Go: sync/rwmutex.go). A waiting writer holds new readers back; when it is done, the
//            readers that came meanwhile go before the next writer. Hence a goroutine that reads must not lock for
//            reading again: with a writer in between both would wait forever.
// Shutdown:  waits also while the Runtime shuts down with kCancel, as Mutex does and for its reasons.
// Bugs:      unlock() or unlock_shared() of what is not locked so is fatal. Destroy it when no call on it is running.
#pragma once

#include <atomic>
#include <cstdint>

#include "netpoll/sync/detail/wait_queue.h"
#include "netpoll/sync/mutex.h"

namespace netpoll {

class RwMutex {
 public:
  RwMutex() = default;
  RwMutex(const RwMutex&) = delete;
  RwMutex& operator=(const RwMutex&) = delete;

  void lock_shared() {
    if (readers_.fetch_add(1, std::memory_order_acquire) < 0) lock_shared_slow();
  }
  void unlock_shared() {
    if (const auto before = readers_.fetch_sub(1, std::memory_order_release); before <= 0) unlock_shared_slow(before);
  }
  // Callable from any thread.
  bool try_lock_shared();

  void lock();
  void unlock();
  // Callable from any thread.
  bool try_lock();

 private:
  static constexpr std::int32_t kMaxReaders = 1 << 30;

  void lock_shared_slow();
  void unlock_shared_slow(std::int32_t before);

  // Readers inside or waiting; kMaxReaders lower while a writer is inside or waiting.
  std::atomic<std::int32_t> readers_{0};
  // Readers that the waiting writer still waits for.
  std::atomic<std::int32_t> departing_{0};
  Mutex writers_;                 // one writer at a time gets as far as readers_
  sync::GrantQueue read_queue_;   // readers behind a writer
  sync::GrantQueue write_queue_;  // the one writer that waits for departing_ == 0
};

}  // namespace netpoll
