// Parks a goroutine in the list of a sync object, and takes it out again.
#include "libruntime/sync/waiter.h"
#include "libruntime/sched/random_step.h"

#include "libruntime/base/clock.h"
#include "libruntime/sched/g.h"
#include "libruntime/sched/timers.h"

namespace netpoll::sync {
namespace {

// The words outlive the wait: a G is type-stable and the generation tells a later wait of it apart.
void on_timeout(void* g, std::uint64_t generation) {
  sched::wake({static_cast<sched::G*>(g), generation}, sched::WakeResult::kTimeout);
}

}  // namespace

void wake_all(WaitList list) {
  for (Waiter* waiter = list.head; waiter != nullptr;) {
    Waiter* const next = waiter->next;
    sched::wake(waiter->handle, sched::WakeResult::kOk);
    waiter = next;
  }
}

sched::WakeResult finish_wait_until(sched::WaitHandle handle, WaitReason reason, std::int64_t deadline) {
  if (deadline == kForever) return sched::finish_wait(handle, reason, true);
  if (deadline <= base::nanotime()) {
    sched::wake(handle, sched::WakeResult::kTimeout);
    return sched::finish_wait(handle, reason, true);
  }
  sched::HeapTimer timer;
  timer.when = deadline;
  timer.callback = on_timeout;
  timer.arg = handle.g;
  timer.seq = handle.generation;
  sched::start_timer(*handle.g->scheduler, timer);
  NETPOLL_STEP();
  const sched::WakeResult result = sched::finish_wait(handle, reason, true);
  NETPOLL_STEP();
  sched::stop_timer(timer);
  return result;
}

ChanStatus to_status(sched::WakeResult result) {
  switch (result) {
    case sched::WakeResult::kOk:
      return ChanStatus::kOk;
    case sched::WakeResult::kTimeout:
      return ChanStatus::kTimeout;
    case sched::WakeResult::kCanceled:
      return ChanStatus::kCanceled;
    case sched::WakeResult::kClosed:
      break;
  }
  return ChanStatus::kClosed;
}

}  // namespace netpoll::sync
