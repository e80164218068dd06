// snapshot.h: one consistent copy of Gs and pollDescs, and the publication of a Runtime in the debug ABI.
#pragma once

#include <cstdint>
#include <memory>

#include "libruntime/poll/netpoll.h"
#include "libruntime/sched/scheduler.h"
#include "libruntime/trace/stack_namer.h"
#include "netpoll/debug/abi.h"
#include "netpoll/trace/goroutine.h"

namespace netpoll::debug {

// How context switches of this build leave the registers of a goroutine.
#if defined(__x86_64__) && !defined(_WIN32)
inline constexpr SavedFrame kSavedFrame = SavedFrame::kX64;
#elif defined(__aarch64__)
inline constexpr SavedFrame kSavedFrame = SavedFrame::kAarch64;
#else
inline constexpr SavedFrame kSavedFrame = SavedFrame::kUnknown;
#endif

// Whether the program is linked with netpoll::debug.
bool names_stacks();
// Null when it is not.
std::unique_ptr<trace::StackNamer> make_stack_namer(trace::GoroutineSnapshot& snapshot);

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
