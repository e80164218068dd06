// read_snapshot: the goroutines of a live libruntime process, read from outside without stopping it.
//
// Consistency: all G records are read, then what they refer to, then the records again. A goroutine whose id, status
// and park count are the same in both readings did not move in between, so what was read of it belongs together; one
// that moved is read again on its own, a few times, and left out and counted when it keeps moving.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "netpoll/config.h"
#include "netpoll/result.h"
#include "netpoll/wait_reason.h"

namespace netpoll::probes {

// One goroutine. Unknown is nullopt, or an empty string.
struct Goroutine {
  std::uint64_t goid = 0;
  std::size_t runtime = 0;  // index in RuntimeSnapshot::runtimes
  GStatus status = GStatus::kIdle;
  WaitReason wait_reason = WaitReason::kNone;  // kNone unless waiting
  std::optional<std::int64_t> wait_ns;         // since it parked, while waiting; as exact as the runtime's coarse clock

  // While in IO wait.
  std::optional<int> fd;
  std::optional<int> mode;                  // 0 read, 1 write
  std::optional<std::int64_t> deadline_ns;  // of that direction: ns from now, negative once it passed; nullopt: none
  std::string_view kind;                    // "tcp", "udp", "unix", "pipe", "other", empty: unknown; static storage
  std::string local;                        // "127.0.0.1:80", "unix:/path"; for what is no socket, the link's text
  std::string peer;
  std::string_view tcp_state;   // "ESTABLISHED", "LISTEN", ...; static storage
  bool foreign_change = false;  // somebody else's epoll_ctl touched this registration: the runtime saw it, or we do

  std::uint64_t parent_goid = 0;  // 0: started from outside of goroutines
  std::uint64_t start_pc = 0;
  std::uint64_t created_pc = 0;
  std::string function;    // what the goroutine runs; empty in a stripped program
  std::string created_by;  // the function that started it
};

// One Runtime object of the process.
struct SnapshotRuntime {
  std::string name;
  std::uint32_t procs = 0;
  PollMode poll_mode{};  // of a newer runtime perhaps a value that we do not know
  Trigger trigger{};
  int epfd = -1;
};

struct RuntimeSnapshot {
  pid_t pid = -1;
  std::string runtime_version;
  std::int64_t taken_at_ns = 0;  // CLOCK_MONOTONIC, of the first reading
  std::int64_t took_ns = 0;      // all of it, addresses and names included; the target was never stopped
  std::vector<SnapshotRuntime> runtimes;
  std::vector<Goroutine> goroutines;  // by runtime, then by goid
  std::uint64_t inconsistent = 0;     // goroutines that kept moving while they were read, and are left out
};

// Takes a snapshot of process pid. Errors: kNotFound (no such process, or it ended while it was read), kPermission (not
// ours to read), kNotSupported (not a libruntime program, or of another debug ABI; the hint says what else can be
// done), kProtocol (its tables make no sense).
Result<RuntimeSnapshot> read_snapshot(pid_t pid);

}  // namespace netpoll::probes
