// Which lane a thread writes to.
#include "libruntime/trace/lane.h"

#include <algorithm>

#include "libruntime/base/clock.h"
#include "libruntime/base/syscall.h"

namespace netpoll::trace {
namespace {

std::uint32_t current_tid() {
  thread_local const auto tid = static_cast<std::uint32_t>(base::sys(SYS_gettid));
  return tid;
}

}  // namespace

// Runs on goroutine stacks too; it never parks, so the thread-local above is read on one thread.
__attribute__((noinline)) void Lane::record(Tp tp, std::initializer_list<std::int64_t> args) {
  Ring* ring = ring_.load(std::memory_order_acquire);
  if (ring == nullptr) return;
  Event event;
  event.tp = tp;
  event.p = p_;
  event.tid = current_tid();
  std::copy_n(args.begin(), std::min(args.size(), kTpMaxArgs), event.args.begin());
  if (p_ != kShared) {
    event.time_ns = static_cast<std::uint64_t>(base::nanotime());
    ring->push(event);
    return;
  }
  const base::MutexLock lock(mutex_);
  event.time_ns = static_cast<std::uint64_t>(base::nanotime());
  ring->push(event);
}

}  // namespace netpoll::trace
