// Why a goroutine waits (wait_reasons.def), and the states of a goroutine. Values are part of the debug ABI.
#pragma once

#include <cstdint>
#include <string_view>

namespace netpoll {

// GStatus: who owns the stack, and which queue the G is on.
enum class GStatus : std::uint32_t {
  kIdle = 0,      // record allocated, no goroutine; on no queue
  kRunnable = 1,  // on a run queue; nobody runs on the stack
  kRunning = 2,   // owned by an M with a P; on no queue
  kSyscall = 3,   // owned by an M in a blocking call (block_on); its P may be taken away
  kWaiting = 4,   // parked; on no run queue, somebody holds it and will call ready()
  kDead = 6,      // finished; on a free list, the stack may be reused (numbers as in Go's runtime2.go)
};

enum class WaitReason : std::uint32_t {
#define NETPOLL_WAIT_REASON(name, number, text) name = number,
#include "netpoll/wait_reasons.def"
#undef NETPOLL_WAIT_REASON
};

// Names as Go prints them where Go has the reason ("IO wait", "chan receive", "sleep"; runtime2.go, waitReasonStrings).
std::string_view wait_reason_name(WaitReason reason);
std::string_view g_status_name(GStatus status);

}  // namespace netpoll
