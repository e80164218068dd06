// runtime_access.h: from a Runtime to its Scheduler, for the runtime's own tests and benchmarks.
#pragma once

#include "libruntime/sched/scheduler.h"
#include "netpoll/runtime.h"

namespace netpoll::detail {

struct RuntimeAccess {
  static sched::Scheduler& scheduler(const Runtime& runtime) { return runtime.scheduler(); }
};

}  // namespace netpoll::detail
