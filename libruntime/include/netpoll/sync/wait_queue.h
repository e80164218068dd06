// wait_queue.h: the list of goroutines parked at a sync object. Part of the objects' layout, not of their interface.
#pragma once

#include "netpoll/base/mutex.h"

namespace netpoll::sync {

// One parked goroutine; lives on its stack (libruntime/sync/waiter.h).
struct Waiter;

// A doubly linked list and its lock. The object that contains it must stay where it is.
struct WaitQueue {
  base::Mutex lock;
  Waiter* head = nullptr;  // guarded by lock
  Waiter* tail = nullptr;  // guarded by lock
};

}  // namespace netpoll::sync
