// poll_source.h: all that the scheduler knows of the poller. It has one implementation, poll::Netpoll; the interface
// stands because `sched` does not include `poll` (tests/tools/check_layers.py).
#pragma once

#include <atomic>
#include <cstdint>

#include "libruntime/sched/g.h"

namespace netpoll::sched {

class PollSource {
 public:
  virtual ~PollSource() = default;
  // Whether the poller exists, which it does from the first descriptor on.
  virtual bool initialized() const = 0;
  // Goroutines parked in IO wait. A hint, exact when nothing moves.
  virtual std::uint32_t waiters() const = 0;
  // Asks for events: delay_ns < 0 blocks, 0 looks, > 0 waits at most that long. Appends the Gs that became ready to
  // out, in order of the events. Any number of threads at a time. Before the poller exists it only waits, for that too,
  // and takes no descriptor: timers need none.
  virtual void poll(std::int64_t delay_ns, GList& out) = 0;
  // Makes one blocked poll() return early. Never blocks; calls are merged until one poll() returned.
  virtual void wake() = 0;
  // Operations of goroutines may stand in a queue, from which polls hand them to the kernel. The one that an M without
  // work blocks in does that, so that a whole round costs one system call; one that has something to report may leave
  // them there. Who leaves the rounds of a P without a poll must flush. Never so with a back end that reports
  // readiness.
  void flush_queued() {
    if (queued_.load(std::memory_order_relaxed) != kNothing) flush();
  }
  // Whether some were queued since the last poll().
  bool queued_since_poll() const { return queued_.load(std::memory_order_relaxed) == kNew; }
  // Hands all over, without waiting.
  virtual void flush() = 0;
  // Compares the registrations with the kernel's view; called when the runtime falls idle, at most once a second.
  virtual void audit() = 0;
  // Ends every present and future IO wait with kCanceled (shutdown).
  virtual void cancel_all() = 0;

 protected:
  enum Queued : std::uint32_t { kNothing, kLeft, kNew };

  std::atomic<Queued> queued_{kNothing};
};

}  // namespace netpoll::sched
