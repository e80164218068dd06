// netpoll.h: the platform-independent half of the poller: pollDescs, their rg/wg semaphores, deadlines and close.
// Model: Go 1.19 runtime/netpoll.go; differences are explained in libruntime/HACKING.md.
//
// Life of a descriptor, as net/ uses it:
//   open -> { prepare(mode); try the system call; on EAGAIN wait(mode); retry }* -> unblock -> (last reference) close
#pragma once

#include <cstdint>

#include "libruntime/poll/poll_desc.h"
#include "netpoll/result.h"

namespace netpoll::poll {

enum class PollResult : std::uint8_t {
  kOk,
  kClosing,   // the descriptor is being closed
  kTimeout,   // the deadline of that direction has passed
  kCanceled,  // the runtime shuts down with kCancel
};

// What net/ needs from the poller; one object per Runtime (Scheduler::netpoll()). Thread-safe.
class Netpoll {
 public:
  virtual ~Netpoll() = default;

  // Registers fd (open, non-blocking) and returns its pollDesc. kNotPollable where the platform refuses (EPERM).
  virtual Result<PollDesc*> open(int fd) = 0;

  // Why I/O in this direction must not even be tried, if so.
  static PollResult check(const PollDesc& pd, Mode mode) {
    const std::uint32_t info = pd.info.load(std::memory_order_seq_cst);
    if ((info & (mode == Mode::kRead ? kInfoNoRead : kInfoNoWrite)) == 0) [[likely]]
      return PollResult::kOk;
    return reason(info);
  }

  // Before a try: check(), and forgets an older readiness of mode, so that wait() sees only what comes after this call.
  // Only the one waiter of a direction moves kPdReady away, so a plain look saves the write in the common case.
  static PollResult prepare(PollDesc& pd, Mode mode) {
    const PollResult result = check(pd, mode);
    if (result != PollResult::kOk) return result;
    auto& semaphore = pd.semaphore(mode);
    if (semaphore.load(std::memory_order_relaxed) != kPdNil) semaphore.store(kPdNil, std::memory_order_seq_cst);
    return PollResult::kOk;
  }

  // Parks the calling goroutine until mode is ready, its deadline passes or the descriptor closes. One waiter per
  // direction (the fd mutex sees to it); a second one is fatal ("double wait"). Without a prepare() before it, a
  // readiness noted since the last wait() ends it at once: that is how a read that follows a short read parks first.
  //
  // owner: what the goroutine looks at first when it goes on, for prefetching; only the address counts.
  virtual PollResult wait(PollDesc& pd, Mode mode, const void* owner) = 0;
  PollResult wait(PollDesc& pd, Mode mode) { return wait(pd, mode, nullptr); }

  // Sets (> 0, absolute ns CLOCK_MONOTONIC), clears (0) or expires (< 0, and > 0 in the past) the deadline of the
  // directions in `modes` (1 read, 2 write, 3 both). An expired deadline unblocks its waiter before this returns.
  virtual void set_deadline(PollDesc& pd, unsigned modes, std::int64_t when) = 0;

  // First half of close: every present and later wait returns kClosing. Called once.
  virtual void unblock(PollDesc& pd) = 0;

  // Second half, by the last reference: gives the pollDesc back; the caller then closes the fd. `shared`: the open file
  // may live on in another descriptor (dup, fork, RawConn), and with it what the kernel has registered.
  virtual void close(PollDesc& pd, bool shared) = 0;

 private:
  static constexpr std::uint32_t kInfoNoRead = kInfoClosing | kInfoCanceled | kInfoReadExpired;
  static constexpr std::uint32_t kInfoNoWrite = kInfoClosing | kInfoCanceled | kInfoWriteExpired;
  // The first reason among these bits, in the order of Go's netpollcheckerr.
  static PollResult reason(std::uint32_t info);
};

}  // namespace netpoll::poll
