// Cond: waiters in the order in which they came.
#include "netpoll/sync/cond.h"

#include "libruntime/sched/random_step.h"
#include "libruntime/sync/waiter.h"
#include "netpoll/time.h"

namespace netpoll {

Result<void> Cond::wait(Mutex& mutex) { return wait_ns(mutex, sync::kForever); }

Result<void> Cond::wait_until(Mutex& mutex, std::chrono::steady_clock::time_point deadline) {
  return wait_ns(mutex, detail::to_ns(deadline));
}

Result<void> Cond::wait_ns(Mutex& mutex, std::int64_t deadline) {
  sync::Waiter waiter{.handle = sched::begin_wait()};
  {
    const base::MutexLock hold(queue_.lock);
    push_back(queue_.list, waiter);
  }
  NETPOLL_STEP();
  // A notification from here on ends the wait, even before we park.
  mutex.unlock();
  const sched::WakeResult result = sync::finish_wait_until(waiter.handle, WaitReason::kCond, deadline);
  if (result != sched::WakeResult::kOk) {
    const base::MutexLock hold(queue_.lock);
    remove(queue_.list, waiter);
  }
  mutex.lock();
  if (result != sched::WakeResult::kOk) return sync::chan_error(sync::to_status(result), "wait for condition");
  return {};
}

void Cond::notify_one() {
  const base::MutexLock hold(queue_.lock);
  while (sync::Waiter* waiter = pop_front(queue_.list)) {
    if (sched::wake(waiter->handle, sched::WakeResult::kOk)) return;
  }
}

void Cond::notify_all() {
  const base::MutexLock hold(queue_.lock);
  while (sync::Waiter* waiter = pop_front(queue_.list)) sched::wake(waiter->handle, sched::WakeResult::kOk);
}

}  // namespace netpoll
