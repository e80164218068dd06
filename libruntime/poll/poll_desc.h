// poll_desc.h: the record of one registered descriptor.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "libruntime/sched/timers.h"
#include "netpoll/base/mutex.h"

namespace netpoll::poll {

class Netpoll;

// Direction of I/O. The values are the `mode` of the tracepoints.
enum class Mode : std::uint32_t { kRead = 0, kWrite = 1 };

// What somebody else's epoll_ctl did to a registration. The values are the `kind` of the tracepoint foreign_ctl.
enum class ForeignCtl : std::int32_t { kRemoved = 1, kAdded = 2, kModified = 3 };

// States of PollDesc::rg (the reader's binary semaphore) and wg (the writer's). Any larger value is the address of the
// parked G.
//   kPdNil    nothing pending. wait() -> kPdWait; event -> kPdReady.
//   kPdReady  readiness noted. wait() or prepare() -> kPdNil.
//   kPdWait   a goroutine is about to park. Its commit -> G; event -> kPdReady, close or deadline -> kPdNil (and the
//             commit then fails, so the goroutine does not park).
//   G         parked. An event -> kPdReady, close or deadline -> kPdNil; whoever moves it away makes the G runnable.
inline constexpr std::uint64_t kPdNil = 0;
inline constexpr std::uint64_t kPdReady = 1;
inline constexpr std::uint64_t kPdWait = 2;

// Bits of PollDesc::info, the summary that a waiter reads without the lock. The low three are in the debug ABI.
enum : std::uint32_t {
  kInfoClosing = 1u << 0,
  kInfoHangup = 1u << 1,   // RDHUP, HUP, ERR or PRI was seen: a short read no longer proves that the stream is drained
  kInfoForeign = 1u << 2,  // somebody else's epoll_ctl touched this registration
  kInfoLasting = 1u << 3,  // the last event was Readiness::lasting (oneshot and level)
  kInfoReadExpired = 1u << 4,
  kInfoWriteExpired = 1u << 5,
  kInfoCanceled = 1u << 6,
  kInfoRegistered = 1u << 7,  // we registered it; somebody else may have removed it since
  kInfoReadShut = 1u << 8,    // see Netpoll::end_reads()
};

// The timers of a descriptor that was given a deadline, by Mode. Made then, and kept for the pollDesc's later lives.
struct Deadlines {
  explicit Deadlines(Netpoll* netpoll) : owner(netpoll) {}
  sched::HeapTimer timer[2];
  Netpoll* const owner;
};

// PollDesc: one cache line, for a server with many connections finds it cold at each event. Type-stable: never freed,
// recycled through PollCache, its `seq` bumped each time, so that an event of an earlier life is recognised. `lock`
// guards everything that is not atomic, and all writes to info, rd and wd; waiters read those without it. Publish rule:
// a writer changes info first and unblocks second; a waiter sets kPdWait first and reads info second (both seq_cst):
// one of the two always sees the other.
struct alignas(64) PollDesc {
  std::atomic<std::uint64_t> rg{kPdNil};
  std::atomic<std::uint64_t> wg{kPdNil};
  std::atomic<std::uint32_t> info{0};
  std::atomic<std::uint32_t> seq{1};
  std::atomic<std::int32_t> fd{-1};
  std::uint32_t index = 0;          // constant; 0 is "no pollDesc"
  std::atomic<std::int64_t> rd{0};  // read deadline: 0 none, > 0 absolute ns, < 0 expired
  std::atomic<std::int64_t> wd{0};
  std::unique_ptr<Deadlines> deadlines NETPOLL_GUARDED_BY(lock);
  base::Mutex lock;
  // Oneshot, level: the directions (kReadBit, kWriteBit) that are armed now.
  std::uint8_t armed NETPOLL_GUARDED_BY(lock) = 0;
  // Oneshot, level: this registration went over to the edge trigger, see Netpoll::arm().
  bool edge NETPOLL_GUARDED_BY(lock) = false;
  std::uint16_t forks NETPOLL_GUARDED_BY(lock) = 0;  // of this process before the registration, see Netpoll::close()

  std::atomic<std::uint64_t>& semaphore(Mode mode) { return mode == Mode::kRead ? rg : wg; }
  // What this life registers with the poller: life and index.
  std::uint64_t event_data() const {
    return static_cast<std::uint64_t>(seq.load(std::memory_order_relaxed)) << 32 | index;
  }
};

static_assert(sizeof(PollDesc) == 64, "part of the price of an idle connection");

}  // namespace netpoll::poll
