// chan.h: the channel behind Channel<T>, select and Context, for elements of any type.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "libruntime/sync/waiter.h"
#include "netpoll/base/mutex.h"
#include "netpoll/sync/detail/chan_core.h"
#include "netpoll/wait_reason.h"

namespace netpoll::sync {

// Invariants, under the lock:
//   receivers wait only while the buffer is empty and no sender waits; senders only while the buffer is full and no
//   receiver waits (select may put one goroutine on both sides; it cannot meet itself, its wait can be won only once).
//   A closed channel has no waiters.
class ChanCore {
 public:
  // buffer has room for capacity elements of type; it belongs to the caller and outlives the channel.
  ChanCore(const ElementType& type, std::size_t capacity, std::byte* buffer);
  ~ChanCore();
  ChanCore(const ChanCore&) = delete;
  ChanCore& operator=(const ChanCore&) = delete;

  ChanStatus send(void* element, std::int64_t deadline);
  ChanStatus recv(void* element, std::int64_t deadline, WaitReason reason);
  ChanStatus try_send(void* element);
  ChanStatus try_recv(void* element);
  bool close();

  bool closed() const { return closed_.load(std::memory_order_acquire); }
  std::size_t size() const { return size_.load(std::memory_order_acquire); }
  std::size_t capacity() const { return capacity_; }
  const ElementType& type() const { return type_; }

  // The steps of which all operations, and select, are made.
  base::Mutex& lock() NETPOLL_RETURNS_LOCK(lock_) { return lock_; }
  ChanStatus put_locked(void* element) NETPOLL_REQUIRES(lock_);   // kOk, kWouldBlock, kClosed
  ChanStatus take_locked(void* element) NETPOLL_REQUIRES(lock_);  // kOk, kWouldBlock, kClosed
  WaitList& receivers() NETPOLL_REQUIRES(lock_) { return receivers_; }
  WaitList& senders() NETPOLL_REQUIRES(lock_) { return senders_; }

  std::atomic<std::uint32_t> refs{1};

 private:
  std::byte* cell(std::size_t index) { return buffer_ + index * type_.size; }
  std::size_t after(std::size_t index) const { return index + 1 == capacity_ ? 0 : index + 1; }
  void relocate(void* to, void* from);
  void relocate_back(void* to, void* from);
  ChanStatus finish(Waiter& waiter, WaitList ChanCore::*list, WaitReason reason, std::int64_t deadline);

  base::Mutex lock_;
  std::atomic<bool> closed_{false};   // written under the lock
  std::atomic<std::size_t> size_{0};  // written under the lock
  const std::size_t capacity_;
  const ElementType type_;
  std::byte* const buffer_;
  std::size_t first_ NETPOLL_GUARDED_BY(lock_) = 0;  // the oldest element
  std::size_t free_ NETPOLL_GUARDED_BY(lock_) = 0;   // where the next one goes
  WaitList receivers_ NETPOLL_GUARDED_BY(lock_);
  WaitList senders_ NETPOLL_GUARDED_BY(lock_);
};

}  // namespace netpoll::sync
