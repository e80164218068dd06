// snapshot.h: the goroutines of a live Runtime as plain data, from inside the process. Another process reads the same
// records through debug/abi.h.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "netpoll/wait_reason.h"

namespace netpoll::debug {

struct GoroutineInfo {
  std::uint64_t goid = 0;
  GStatus status = GStatus::kIdle;
  WaitReason wait_reason = WaitReason::kNone;
  std::int64_t wait_ns = 0;   // since it parked; resolution of the coarse clock, see DebugRuntime::coarse_now
  int fd = -1;                // while in IO wait
  int mode = -1;              // 0 read, 1 write, -1 not in IO wait
  std::int64_t deadline = 0;  // of that direction: 0 none, else absolute ns CLOCK_MONOTONIC
  bool foreign = false;       // somebody else's epoll_ctl touched the registration of fd
  std::uint64_t parent_goid = 0;
  std::uint64_t start_pc = 0;
  std::uint64_t created_pc = 0;
};

struct Snapshot {
  std::int64_t taken_at_ns = 0;  // CLOCK_MONOTONIC
  std::vector<GoroutineInfo> goroutines;
  // Records that changed while they were read, more often than the reader was patient; they are left out.
  std::uint64_t inconsistent = 0;
};

}  // namespace netpoll::debug
