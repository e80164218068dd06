// snapshot.h: one consistent copy of Gs and pollDescs, and the publication of a Runtime in the debug ABI.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "libruntime/poll/netpoll.h"
#include "libruntime/sched/scheduler.h"
#include "netpoll/debug/abi.h"
#include "netpoll/trace/goroutine.h"

namespace netpoll::debug {

// What there is to know of the code that a goroutine runs.
struct StackCopy {
  std::uint64_t start_pc = 0;
  std::uint64_t created_pc = 0;
  std::uint64_t sp = 0;                // 0: it runs, and its stack is not to be had
  std::span<const std::byte> bytes{};  // from sp up to the end of its stack
};

// Gives the goroutines of one snapshot their stacks, and addresses their names. Not part of the runtime, for it takes
// libraries that a runtime should not need: netpoll::debug brings it.
class StackNamer {
 public:
  virtual ~StackNamer() = default;
  virtual void add(trace::Goroutine& g, const StackCopy& copy) = 0;
};

// Whether the program is linked with netpoll::debug.
bool names_stacks();

// Copies every goroutine. Nothing is stopped: each record is consistent in itself, and they are taken one after
// another. Needs more stack than a goroutine has.
trace::GoroutineSnapshot take_snapshot(const sched::Scheduler& scheduler, const poll::Netpoll& netpoll, int epfd);

// Publication: announces a runtime to readers in other processes for as long as it lives. The parts must outlive it.
class Publication {
 public:
  Publication(const sched::Scheduler& scheduler, const poll::Netpoll& netpoll);
  ~Publication();
  Publication(const Publication&) = delete;
  Publication& operator=(const Publication&) = delete;

  // The poller is created at the first registration; readers find its epfd here from then on.
  int epfd() const { return __atomic_load_n(&runtime_.epfd, __ATOMIC_ACQUIRE); }
  void set_epfd(int epfd) { __atomic_store_n(&runtime_.epfd, epfd, __ATOMIC_RELEASE); }

 private:
  DebugRuntime runtime_{};
  std::uint64_t* slot_ = nullptr;
};

}  // namespace netpoll::debug
