// deadlock.h: whether the goroutines of this process wait for something that nobody is left to do.
//
// An object of sync/ can be reached by whoever has its address: goroutines of other Runtimes, plain threads, signal
// handlers. So a Runtime whose goroutines all wait is not deadlocked by that alone. It is when no Runtime of the
// process runs or will run by itself (no I/O, timer or blocking call is awaited), when every thread of the process is a
// Runtime's own or sleeps in run() or shutdown() for one of them, and when no signal handler could run. Whoever could
// wake a goroutine would have to be one of these. What cannot be found out (no /proc, no descriptor to read it) counts
// as somebody who could.
#pragma once

#include <cstdint>
#include <optional>

namespace netpoll::sched {

class Scheduler;

// What stands still. Equal twice: nothing moved in between.
struct Rest {
  std::uint64_t rounds = 0;   // of all Ps, ever
  std::uint64_t threads = 0;  // that cannot wake anybody, since they are Runtimes' own or wait for one
  bool operator==(const Rest&) const = default;
};

// All Runtimes of the process together; nothing if one of them runs, or will by itself.
std::optional<Rest> everybody_at_rest();

// A Scheduler counts from its wiring until its threads have been joined.
void enlist(Scheduler& scheduler);
void delist(Scheduler& scheduler);

}  // namespace netpoll::sched
