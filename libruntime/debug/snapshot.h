// snapshot.h: one consistent copy of Gs and pollDescs, and the publication of a Runtime in the debug ABI.
#pragma once

#include "libruntime/poll/netpoll.h"
#include "libruntime/sched/scheduler.h"
#include "netpoll/debug/abi.h"
#include "netpoll/debug/snapshot.h"

namespace netpoll::debug {

// Copies every goroutine. Nothing is stopped: each record is consistent in itself, and they are taken one after
// another.
Snapshot take_snapshot(const sched::Scheduler& scheduler, const poll::Netpoll& netpoll);

// Publication: announces a runtime to readers in other processes for as long as it lives. The parts must outlive it.
class Publication {
 public:
  Publication(const sched::Scheduler& scheduler, const poll::Netpoll& netpoll);
  ~Publication();
  Publication(const Publication&) = delete;
  Publication& operator=(const Publication&) = delete;

  // The poller is created at the first registration; readers find its epfd here from then on.
  void set_epfd(int epfd) { __atomic_store_n(&runtime_.epfd, epfd, __ATOMIC_RELEASE); }

 private:
  DebugRuntime runtime_{};
  std::uint64_t* slot_ = nullptr;
};

}  // namespace netpoll::debug
