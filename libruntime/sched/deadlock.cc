// Asks twice whether anybody is left who could wake a goroutine.
#include "libruntime/sched/deadlock.h"

#include <algorithm>
#include <vector>

#include "libruntime/sched/scheduler.h"

namespace netpoll::sched {
namespace {

// Lock order: before any Scheduler's mutex.
struct Schedulers {
  base::Mutex mutex;
  std::vector<Scheduler*> all NETPOLL_GUARDED_BY(mutex);
};
Schedulers& schedulers() {
  // Never destroyed: a Runtime may be a static object.
  static auto& instance = *new Schedulers;
  return instance;
}

}  // namespace

void enlist(Scheduler& scheduler) {
  Schedulers& list = schedulers();
  const base::MutexLock lock(list.mutex);
  list.all.push_back(&scheduler);
}

void delist(Scheduler& scheduler) {
  Schedulers& list = schedulers();
  const base::MutexLock lock(list.mutex);
  std::erase(list.all, &scheduler);
}

std::optional<Rest> everybody_at_rest() {
  Schedulers& list = schedulers();
  const base::MutexLock lock(list.mutex);
  Rest rest;
  for (Scheduler* scheduler : list.all) {
    if (!scheduler->add_rest(rest)) return std::nullopt;
  }
  return rest;
}

}  // namespace netpoll::sched
