// The goroutines of a snapshot as a profile that go tool pprof reads.
#pragma once

#include <chrono>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "exporters/events/wait_stacks.h"
#include "netpoll/trace/goroutine.h"

namespace netpoll::exporters {

struct PprofOptions {
  std::string program;  // name or path of the executable
  std::chrono::system_clock::time_point taken_at;
  bool everything = false;     // hidden frames too
  bool per_goroutine = false;  // a sample for each goroutine, labelled with its goid; else equal ones are added up
};

// Returns a perftools.profiles.Profile (github.com/google/pprof, proto/profile.proto), not compressed, which pprof
// reads as well. shown: indices of the goroutines. A sample is so many goroutines, and the nanoseconds that they have
// waited together, with one stack and the same labels: those of the goroutines, and wait_reason, status, mode, fd,
// peer. One sample a goroutine also has goid, wait, the peer's port, and go::goroutine, go::goroutine_state,
// go::goroutine_wait_minutes and go::goroutine_created_by, by which viewers know goroutines.
// Foreign text becomes printable. Equal snapshots are equal bytes.
std::string pprof_profile(const trace::GoroutineSnapshot& snapshot, std::span<const std::uint32_t> shown,
                          const PprofOptions& options);

// The waits of a trace, as a profile with so many waits, and nanoseconds for the network and for a CPU. Its frames are
// what the stacks of waits are of: program, labels, peer.
struct PprofTrace {
  std::chrono::system_clock::time_point started_at;
  std::chrono::nanoseconds duration{0};
  std::vector<std::string> comments;  // what was lost, ...
};
std::string pprof_profile(const WaitStacks& waits, const std::string& program, const PprofTrace& trace);

// What has changed since an earlier snapshot of the same process, `before` old, as Go's endpoint answers ?seconds=:
// samples of the earlier one count against equal ones of this, and what comes to nothing is left out.
std::string pprof_difference(const trace::GoroutineSnapshot& earlier, const trace::GoroutineSnapshot& snapshot,
                             std::chrono::nanoseconds before, const PprofOptions& options);

// Bytes as a gzip file without a time; unchanged where the build has no zlib.
std::string gzipped(std::string bytes);

}  // namespace netpoll::exporters
