// p.h: the right to run goroutines, and everything that belongs to it.
#pragma once

#include <atomic>
#include <cstdint>

#include "libruntime/sched/g.h"
#include "libruntime/sched/runq.h"
#include "libruntime/sched/timers.h"
#include "libruntime/trace/lane.h"

namespace netpoll::sched {

struct M;

// States of a P, and who may leave them:
//   kPIdle     on Scheduler's idle list, under its lock. -> kPRunning by the M that takes it.
//   kPRunning  owned by one M. -> kPIdle by that M, -> kPSyscall by that M around a blocking call.
//   kPSyscall  its M is in a blocking call. CAS by that M -> kPRunning (it came back first), or by anybody who hands it
//              off -> kPRunning / kPIdle.
enum PStatus : std::uint32_t { kPIdle = 0, kPRunning = 1, kPSyscall = 2 };

// P. Owned by one M at a time; what another thread may touch is atomic or has its own lock.
struct alignas(64) P {
  P(std::uint32_t number, bool alone, trace::Counters& counters, trace::Ring& ring)
      : id(number), runq(!alone), lane(static_cast<std::uint16_t>(number), counters, ring) {}

  const std::uint32_t id;
  std::atomic<std::uint32_t> status{kPIdle};
  std::atomic<std::uint32_t> tick{0};  // +1 at each round of schedule(); read by sysmon
  std::uint32_t clock_tick = 0;        // the tick, and the time, of the last look at the clock
  std::uint32_t clock_interval = 16;   // rounds between two looks; adapts (proc.cc, look_at_clock)
  std::int64_t clock_time = 0;
  std::uint64_t polls_seen = 0;                // Scheduler::m_poll_count_ at the last look
  std::uint32_t next_streak = 0;               // how often in a row runnext went before the ring
  std::atomic<std::uint64_t> running_goid{0};  // for sysmon: who keeps this P
  P* link = nullptr;                           // idle list
  M* m = nullptr;
  RunQueue runq;
  TimerHeap timers;
  GList free_gs;                // dead Gs with warm stacks
  GList cold_gs;                // dead Gs whose stacks have no pages
  std::uint64_t next_goid = 0;  // a private range of ids (Go: p.goidcache)
  std::uint64_t last_goid = 0;
  trace::Lane lane;
};

}  // namespace netpoll::sched
