// wait_queue.h: the list of goroutines parked at a sync object. Part of the objects' layout, not of their interface.
#pragma once

#include <cstdint>

#include "netpoll/base/mutex.h"

namespace netpoll::sync {

// One parked goroutine; lives on its stack (libruntime/sync/waiter.h).
struct Waiter;

// A doubly linked list. Whoever contains it has the lock that guards it, and stays where it is.
struct WaitList {
  Waiter* head = nullptr;
  Waiter* tail = nullptr;
};

// The same with a lock of its own.
struct WaitQueue {
  WaitList list NETPOLL_GUARDED_BY(lock);
  base::Mutex lock;
};

// And with wake-ups that arrived before their waiter did.
struct GrantQueue : WaitQueue {
  std::int32_t grants NETPOLL_GUARDED_BY(lock) = 0;
};

}  // namespace netpoll::sync
