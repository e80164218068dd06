// Send, receive and close of a channel, with waiters handed their value directly.
#include "libruntime/sync/chan.h"
#include "libruntime/sched/random_step.h"

#include <cstring>

namespace netpoll::sync {
namespace {

using sched::WakeResult;

// Tries to end the wait of a waiter that was taken off its list. After true the waiter may be gone.
bool resume(Waiter& waiter, WakeResult result) {
  waiter.won = true;
  NETPOLL_STEP();
  if (sched::wake(waiter.handle, result)) return true;
  // It timed out, was cancelled, or another row of its select won. It cannot leave before it got our lock.
  waiter.won = false;
  return false;
}

}  // namespace

ChanCore::ChanCore(const ElementType& type, std::size_t capacity, std::byte* buffer)
    : capacity_(capacity), type_(type), buffer_(buffer) {}

ChanCore::~ChanCore() {
  if (type_.destroy == nullptr) return;
  for (std::size_t left = size(); left > 0; --left) {
    type_.destroy(cell(first_));
    first_ = after(first_);
  }
}

void ChanCore::relocate(void* to, void* from) {
  if (type_.relocate != nullptr) {
    type_.relocate(to, from);
  } else if (type_.size == sizeof(std::uint64_t)) {
    std::memcpy(to, from, sizeof(std::uint64_t));
  } else {
    std::memcpy(to, from, type_.size);
  }
}

// Undoes relocate(from, to). Bytes that were only copied are still where they came from.
void ChanCore::relocate_back(void* to, void* from) {
  if (type_.relocate != nullptr) type_.relocate(to, from);
}

// The element moves before wake(), because the receiver runs right after it and takes no lock on its way out.
// The price is moving back in the rare case that the wake-up comes too late.
ChanStatus ChanCore::put_locked(void* element) {
  if (closed_.load(std::memory_order_relaxed)) return ChanStatus::kClosed;
  while (Waiter* receiver = pop_front(receivers_)) {
    void* const target = receiver->element;
    relocate(target, element);
    if (resume(*receiver, WakeResult::kOk)) return ChanStatus::kOk;
    relocate_back(element, target);
  }
  const std::size_t size = size_.load(std::memory_order_relaxed);
  if (size == capacity_) return ChanStatus::kWouldBlock;
  relocate(cell(free_), element);
  free_ = after(free_);
  size_.store(size + 1, std::memory_order_release);
  return ChanStatus::kOk;
}

ChanStatus ChanCore::take_locked(void* element) {
  const std::size_t size = size_.load(std::memory_order_relaxed);
  if (size > 0) {
    relocate(element, cell(first_));
    first_ = after(first_);
    // The first waiting sender gets the room, so nobody overtakes it and the buffer stays full while senders wait.
    while (Waiter* sender = pop_front(senders_)) {
      void* const source = sender->element;
      relocate(cell(free_), source);
      if (resume(*sender, WakeResult::kOk)) {
        free_ = after(free_);
        return ChanStatus::kOk;
      }
      relocate_back(source, cell(free_));
    }
    size_.store(size - 1, std::memory_order_release);
    return ChanStatus::kOk;
  }
  while (Waiter* sender = pop_front(senders_)) {
    void* const source = sender->element;
    relocate(element, source);
    if (resume(*sender, WakeResult::kOk)) return ChanStatus::kOk;
    relocate_back(source, element);
  }
  return closed_.load(std::memory_order_relaxed) ? ChanStatus::kClosed : ChanStatus::kWouldBlock;
}

ChanStatus ChanCore::try_send(void* element) {
  const base::MutexLock hold(lock_);
  return put_locked(element);
}

ChanStatus ChanCore::try_recv(void* element) {
  const base::MutexLock hold(lock_);
  return take_locked(element);
}

ChanStatus ChanCore::send(void* element, std::int64_t deadline) {
  lock_.lock();
  if (const ChanStatus status = put_locked(element); status != ChanStatus::kWouldBlock) {
    lock_.unlock();
    return status;
  }
  Waiter waiter{.handle = sched::begin_wait(), .element = element};
  push_back(senders_, waiter);
  lock_.unlock();
  return finish(waiter, &ChanCore::senders_, WaitReason::kChanSend, deadline);
}

ChanStatus ChanCore::recv(void* element, std::int64_t deadline, WaitReason reason) {
  lock_.lock();
  if (const ChanStatus status = take_locked(element); status != ChanStatus::kWouldBlock) {
    lock_.unlock();
    return status;
  }
  Waiter waiter{.handle = sched::begin_wait(), .element = element};
  push_back(receivers_, waiter);
  lock_.unlock();
  return finish(waiter, &ChanCore::receivers_, reason, deadline);
}

ChanStatus ChanCore::finish(Waiter& waiter, WaitList ChanCore::*list, WaitReason reason, std::int64_t deadline) {
  NETPOLL_STEP();
  const WakeResult result = finish_wait_until(waiter.handle, reason, deadline);
  NETPOLL_STEP();
  if (result == WakeResult::kTimeout || result == WakeResult::kCanceled) {
    // Also when a waker took the waiter off the list: it may be about to move the element back.
    const base::MutexLock hold(lock_);
    remove(this->*list, waiter);
  }
  return to_status(result);
}

bool ChanCore::close() {
  const base::MutexLock hold(lock_);
  if (closed_.load(std::memory_order_relaxed)) return false;
  closed_.store(true, std::memory_order_release);
  while (Waiter* receiver = pop_front(receivers_)) resume(*receiver, WakeResult::kClosed);
  while (Waiter* sender = pop_front(senders_)) resume(*sender, WakeResult::kClosed);
  return true;
}

}  // namespace netpoll::sync
