// CallCounter turns entries and exits of system calls into Counts. It knows what the numbers mean and nothing of how
// they were obtained.
#pragma once

#include <sys/types.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <unordered_map>

#include "probes/counts.h"

namespace netpoll::probes {

// Not thread-safe. Threads are named by their tid; times are of one monotonic clock.
class CallCounter {
 public:
  explicit CallCounter(bool latency);

  // Counts a call that thread tid begins.
  void enter(pid_t tid, Syscall syscall, const std::array<std::uint64_t, 6>& args);
  // A call that thread tid had begun before we looked: only its time from now on counts.
  void enter_before(pid_t tid, Syscall syscall, std::int64_t now_ns);
  // Sets its start, as late as the caller can. Nothing to do for a thread that is in no counted call.
  void started(pid_t tid, std::int64_t now_ns);
  // Counts its end. result is what the kernel returned, negative for an error, which may be one of its own
  // (kernel_errors.h) that the program never sees.
  void leave(pid_t tid, std::int64_t result, std::int64_t now_ns);
  // The thread has ended, or executes a program: its call will not return.
  void forget(pid_t tid, std::int64_t now_ns);
  // A call beside the table, entered by a thread of process tgid.
  void note(pid_t tgid, SocketCall call, const std::array<std::uint64_t, 6>& args);
  // A call of the 32-bit interface.
  void lose_foreign() { ++counts_.lost, ++counts_.foreign; }

  Counts counts(std::int64_t now_ns) const;

 private:
  enum class Timeout : std::uint8_t { kUnknown, kZero, kTimed, kForever };
  // A counted call that a thread has entered and not left.
  struct OpenCall {
    Syscall syscall;
    Timeout timeout;        // of the calls that wait
    std::int64_t start_ns;  // 0 until it is known
    bool before = false;    // it had begun before we looked, which was at start_ns
  };

  SyscallCounts& row(const OpenCall& call) { return counts_.syscalls[static_cast<std::size_t>(call.syscall)]; }
  static Timeout timeout_at(pid_t tid, std::uint64_t pointer);
  static Timeout timeout_of(pid_t tid, Syscall syscall, const std::array<std::uint64_t, 6>& args);
  void count_wait(const OpenCall& call, std::int64_t result);

  Counts counts_;  // window_ns: of calls that are over
  std::unordered_map<pid_t, OpenCall> open_;
};

}  // namespace netpoll::probes
