// CallCounter turns entries and exits of system calls into Counts. It knows what the numbers mean and nothing of how
// they were obtained.
#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <optional>

#include "probes/counts.h"

namespace netpoll::probes {

// A counted call that a thread has entered and not left.
struct OpenCall {
  Syscall syscall;
  std::uint64_t timeout;  // of the wait calls: the argument as passed
  std::uint64_t start_ns;
};

// Not thread-safe.
class CallCounter {
 public:
  explicit CallCounter(bool latency);

  // Counts a call that begins. start_ns of the result is for the caller to set, as late as it can.
  OpenCall enter(Syscall syscall, const std::array<std::uint64_t, 6>& args);
  // Counts its end. result is what the kernel returned, negative for an error, which may be one of its own 512..543
  // (ERESTARTSYS) that the program never sees: then the call is entered again and counted again. tid is the thread,
  // whose memory may be looked into.
  void leave(const OpenCall& call, std::int64_t result, std::uint64_t end_ns, pid_t tid);
  // A call of the 32-bit interface.
  void lose_foreign() { ++counts_.lost, ++counts_.foreign; }

  const Counts& counts() const { return counts_; }

 private:
  Counts counts_;
};

}  // namespace netpoll::probes
