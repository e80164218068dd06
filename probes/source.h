// Source: one way of observing a process from outside. eBPF, ptrace and libruntime's own counters implement it; `run`,
// `stat` and later commands are written against it alone.
#pragma once

#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "netpoll/result.h"
#include "probes/counts.h"

namespace netpoll::probes {

struct LaunchSpec;  // probes/launch/child.h

enum class Backend : std::uint8_t { kAuto, kEbpf, kPerf, kPtrace, kSelf, kNone };
std::string_view backend_name(Backend backend);
std::optional<Backend> parse_backend(std::string_view name);

// What to observe. Either a running process, or a child that launch() (probes/launch/child.h) holds before its exec.
struct Target {
  pid_t pid = -1;     // the tgid
  bool held = false;  // true: a child of ours, stopped before exec; counting starts at its exec
  bool follow_forks = false;
  std::string exe;  // path of the executable whose USDT probes are wanted (of the program to be executed)
};

struct SourceOptions {
  bool latency = true;      // times and histograms; without them only enter (and errno) are recorded
  bool tracepoints = true;  // attach to libruntime's USDT probes where the target has them
};

// Not thread-safe: one thread makes all calls, in this order: prepare (where a child is to be launched), attach, read
// any number of times, detach.
class Source {
 public:
  virtual ~Source() = default;
  virtual Backend backend() const = 0;
  // Adds what this back end needs of a child that launch() is about to start for it (ptrace: to be told its exit status). Call it
  // before launch(), whatever the back end; a held target that was not prepared may be refused by attach().
  virtual void prepare(LaunchSpec& spec) { static_cast<void>(spec); }
  // Attaches to target. On failure nothing stays attached. For a held target the caller resumes it afterwards.
  virtual Result<void> attach(const Target& target) = 0;
  // Lets the source work (a ptrace loop must run for the target to proceed) until timeout_ms passed, the target
  // exited, or stop_fd became readable. Returns false once the target is gone. For eBPF this only waits.
  virtual Result<bool> wait(int timeout_ms, int stop_fd) = 0;
  // A copy of all counts since attach. Cheap enough for once per 100 ms.
  virtual Result<Counts> read() = 0;
  // Leaves the target as it was. Idempotent; the destructor calls it.
  virtual void detach() = 0;
  // One sentence for .probe.overhead_note: what this back end costs the target.
  virtual std::string overhead_note() const = 0;
};

// Creates the back end; kAuto picks the first of ebpf, ptrace that works here. Fails with a hint that says what is
// missing. `why_not` collects, for kAuto, one line per back end that was passed over.
Result<std::unique_ptr<Source>> make_source(Backend backend, const SourceOptions& options,
                                            std::vector<std::string>* why_not);

}  // namespace netpoll::probes
