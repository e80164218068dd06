// Placement puts the tracer and the one busy thread of its target on the same CPU.
//
// A stop is two handovers, to the tracer and back. Left alone, the scheduler puts each on whichever CPU is idle, and on
// a virtual machine waking an idle CPU costs many times what switching to another task does (measured: a call with two
// stops takes 150 us across idle CPUs and 18 us on one). Rejected: running the tracer as SCHED_IDLE, which also makes
// the scheduler keep the target where it is, but starves both as soon as anything else wants that CPU; and a tracer
// that spins, which takes a whole CPU from the target.
//
// The price is that the thread's CPU affinity is narrowed for a while. The target does not notice: before it asks for
// an affinity, sets one, or hands its own down to a new thread, the tracer calls lift(). Only /proc shows it. Where
// several threads are busy nothing is pinned, since they would lose the other CPUs; and the pair is let go several
// times a second, so that the scheduler can find it a better CPU.
#pragma once

#include <sched.h>
#include <sys/types.h>
#include <time.h>

#include <cstdint>
#include <optional>

namespace netpoll::probes {

// Belongs to the tracer thread, which is also the one it pins. The destructor lifts.
class Placement {
 public:
  // While a pin lasts, tick_signal is sent to the calling thread now and then, so that it calls tick().
  explicit Placement(int tick_signal);
  ~Placement();
  Placement(const Placement&) = delete;
  Placement& operator=(const Placement&) = delete;

  // A stopped thread has something to count. Now and then this pins it, or gives up pinning another.
  void note(pid_t tid);
  // Gives the pinned thread, and ourselves, the former affinity back.
  void lift();
  // Lifts a pin that is old enough.
  void tick();
  // The thread has ended.
  void forget(pid_t tid);

 private:
  // A thread with a narrowed affinity.
  struct Pin {
    pid_t tid;
    int cpu;
    cpu_set_t before;
  };

  void pin(pid_t tid);
  void review();
  void set_timer(bool on);

  cpu_set_t own_;        // our affinity as it was found
  bool useless_ = true;  // there is but one CPU
  std::optional<timer_t> timer_;
  std::optional<Pin> pin_;
  // The current window of events: of which thread the first was, and how many were of it.
  pid_t candidate_ = 0;
  int events_ = 0;
  int hits_ = 0;
  int rest_ = 0;  // windows to go without a pin
  std::int64_t pinned_at_ns_ = 0;
};

}  // namespace netpoll::probes
