// Copies the tables of a Runtime until each goroutine was seen at rest.
#include "libruntime/debug/snapshot.h"

#include "libruntime/base/clock.h"

namespace netpoll::debug {
namespace {

constexpr int kPatience = 8;

// One G, read twice around what it refers to. Returns whether it held still, and in `live` whether it is a goroutine.
bool read_g(const sched::G& g, const poll::PollCache& cache, std::int64_t now, GoroutineInfo& info, bool& live) {
  const std::uint64_t goid = g.goid.load(std::memory_order_acquire);
  const GStatus status = g.load_status();
  const std::uint64_t park_seq = g.park_seq.load(std::memory_order_acquire);
  info.goid = goid;
  info.status = status;
  info.parent_goid = g.parent_goid.load(std::memory_order_relaxed);
  info.start_pc = g.start_pc.load(std::memory_order_relaxed);
  info.created_pc = g.created_pc.load(std::memory_order_relaxed);
  live = status != GStatus::kIdle && status != GStatus::kDead;
  if (status == GStatus::kWaiting) {
    info.wait_reason = static_cast<WaitReason>(g.wait_reason.load(std::memory_order_acquire));
    info.wait_ns = now - g.wait_since.load(std::memory_order_acquire);
    if (info.wait_ns < 0) info.wait_ns = 0;
    if (info.wait_reason == WaitReason::kIoWait) {
      info.mode = static_cast<int>(g.wait_mode.load(std::memory_order_acquire));
      const poll::PollDesc* pd = cache.at(g.wait_pd.load(std::memory_order_acquire));
      if (pd != nullptr) {
        info.fd = pd->fd.load(std::memory_order_acquire);
        const std::int64_t when = (info.mode == 0 ? pd->rd : pd->wd).load(std::memory_order_acquire);
        info.deadline = when > 0 ? when : 0;
        info.foreign = (pd->info.load(std::memory_order_acquire) & poll::kInfoForeign) != 0;
      }
    }
  }
  return g.park_seq.load(std::memory_order_acquire) == park_seq && g.load_status() == status &&
         g.goid.load(std::memory_order_acquire) == goid;
}

}  // namespace

Snapshot take_snapshot(const sched::Scheduler& scheduler, const poll::Netpoll& netpoll) {
  Snapshot snapshot;
  snapshot.taken_at_ns = base::nanotime();
  const std::uint64_t count = scheduler.gs().count();
  snapshot.goroutines.reserve(scheduler.goroutine_count());
  for (std::uint64_t i = 0; i < count; ++i) {
    bool consistent = false;
    bool live = false;
    GoroutineInfo info;
    for (int attempt = 0; attempt < kPatience && !consistent; ++attempt) {
      info = GoroutineInfo{};
      consistent = read_g(scheduler.gs().at(i), netpoll.cache(), snapshot.taken_at_ns, info, live);
    }
    if (!consistent) {
      ++snapshot.inconsistent;
    } else if (live) {
      snapshot.goroutines.push_back(info);
    }
  }
  return snapshot;
}

}  // namespace netpoll::debug
