// Which lane a thread writes to.
#include "libruntime/trace/lane.h"

#include <algorithm>

#include "libruntime/base/clock.h"
#include "libruntime/base/system.h"

namespace netpoll::trace {
namespace {

std::uint32_t current_tid() {
  thread_local const auto tid = base::thread_id();
  return tid;
}

}  // namespace

// Runs on goroutine stacks too; it never parks, so the thread-local above is read on one thread.
__attribute__((noinline)) void Lane::record(Tp tp, std::initializer_list<std::int64_t> args) {
  Event event;
  event.tp = tp;
  event.p = p_;
  event.tid = current_tid();
  std::copy_n(args.begin(), std::min(args.size(), kTpMaxArgs), event.args.begin());
  const auto store = [&] {
    event.time_ns = static_cast<std::uint64_t>(base::nanotime());
    std::uint64_t until = record_until.load(std::memory_order_relaxed);
    if (event.time_ns < until) return ring_.push(event);
    // Nobody asks any more. A reader that renews its wish just now is not to be overruled.
    record_until.compare_exchange_strong(until, 0, std::memory_order_relaxed);
  };
  if (p_ != kShared) return store();
  const base::MutexLock lock(mutex_);
  store();
}

}  // namespace netpoll::trace
