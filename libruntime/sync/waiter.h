// waiter.h: a parked goroutine in the list of a sync object, and how it parks with a deadline.
//
// A Waiter lives on the stack of the goroutine that waits. Whoever takes it out of a list, under the lock of the list,
// and then wins wake() has the last word: after that the stack may be gone. Whoever loses wake() still holds the lock
// that the waiter needs before it can return, so until it unlocks it may touch the Waiter (and must, to undo what it
// prepared). That is why objects whose waits can time out or be cancelled call wake() with their lock held, while
// those whose waits cannot (Mutex, WaitGroup, RwMutex) collect first, unlock, and wake last.
#pragma once

#include <cstdint>

#include "libruntime/sched/wait.h"
#include "netpoll/sync/detail/chan_core.h"
#include "netpoll/sync/detail/wait_queue.h"

namespace netpoll::sync {

struct Waiter {
  sched::WaitHandle handle;
  Waiter* next = nullptr;
  Waiter* previous = nullptr;
  void* element = nullptr;  // channels: see chan_send and chan_recv
  std::int64_t need = 0;    // semaphores: permits asked for
  bool queued = false;      // on a list; guarded by the list's lock
  bool won = false;         // select: the waker of this row won. Mutex: ownership was handed over
};

inline void push_back(WaitList& list, Waiter& waiter) {
  waiter.next = nullptr;
  waiter.previous = list.tail;
  (list.tail != nullptr ? list.tail->next : list.head) = &waiter;
  list.tail = &waiter;
  waiter.queued = true;
}

inline void push_front(WaitList& list, Waiter& waiter) {
  waiter.previous = nullptr;
  waiter.next = list.head;
  (list.head != nullptr ? list.head->previous : list.tail) = &waiter;
  list.head = &waiter;
  waiter.queued = true;
}

// Takes waiter off list unless a waker did so before.
inline void remove(WaitList& list, Waiter& waiter) {
  if (!waiter.queued) return;
  (waiter.previous != nullptr ? waiter.previous->next : list.head) = waiter.next;
  (waiter.next != nullptr ? waiter.next->previous : list.tail) = waiter.previous;
  waiter.queued = false;
}

inline Waiter* pop_front(WaitList& list) {
  Waiter* waiter = list.head;
  if (waiter != nullptr) remove(list, *waiter);
  return waiter;
}

// Wakes every waiter of a list that was taken from its object as a whole, and whose waits only we can end.
void wake_all(WaitList list);

// finish_wait() for a wait that can be cancelled and ends with kTimeout at deadline (absolute ns, or kForever).
sched::WakeResult finish_wait_until(sched::WaitHandle handle, WaitReason reason, std::int64_t deadline);

// The same outcome in the words of the public headers.
ChanStatus to_status(sched::WakeResult result);

}  // namespace netpoll::sync
