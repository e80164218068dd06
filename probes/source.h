// Source: one way of counting what processes do, from outside. eBPF, ptrace, libruntime's own counters and `none`
// implement it; `run`, `stat` and later commands are written against it alone.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <span>
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
  pid_t pid = -1;             // the tgid
  bool held = false;          // true: a child of ours, stopped before exec; counting starts at its exec
  bool follow_forks = false;  // its descendants too, those that exist already and those to come
  std::string exe;            // path of the executable whose USDT probes are wanted (of the program to be executed)
};

std::vector<pid_t> pids_of(std::span<const Target> targets);

struct SourceOptions {
  bool latency = true;      // times and histograms; without them only enter (and errno) are recorded
  bool tracepoints = true;  // attach to libruntime's USDT probes where the target has them
  std::size_t targets = 1;  // how many attach() will be given: so many are counted apart, as far as there is memory
};

// By Target::pid.
using CountsByTarget = std::map<pid_t, Counts>;

// Not thread-safe: one thread makes all calls, in this order: prepare (where a child is to be launched), attach, read
// any number of times, detach.
class Source {
 public:
  virtual ~Source() = default;
  virtual Backend backend() const = 0;
  // Adds what this back end needs of a child that launch() is about to start for it (ptrace: to be told its exit
  // status). Call it before launch(), whatever the back end; a held target that was not prepared may be refused by
  // attach().
  virtual void prepare(LaunchSpec& spec) { static_cast<void>(spec); }
  // Attaches to all targets, of which there is one at least, once. A held one is alone, and the caller resumes it
  // afterwards; follow_forks is the same for all of several. On failure nothing stays attached, and the Error names the
  // target that failed.
  virtual Result<void> attach(std::span<const Target> targets) = 0;
  Result<void> attach(const Target& target) { return attach(std::span(&target, 1)); }
  // Lets the source work until timeout_ms passed, every target exited, or stop_fd became readable. Returns false once
  // all targets are gone.
  virtual Result<bool> wait(int timeout_ms, int stop_fd) = 0;
  // A copy of all counts since attach, of all targets together. Cheap enough for once per 100 ms.
  virtual Result<Counts> read() = 0;
  // The same of each target: of its process and, where forks are followed, of its descendants that are no targets
  // themselves. One that is missing here could not be counted apart and is in the sum alone.
  virtual Result<CountsByTarget> read_each() = 0;
  // Leaves the targets as they were. Idempotent; the destructor calls it.
  virtual void detach() = 0;
  // One sentence for .probe.overhead_note: what this back end costs the target.
  virtual std::string overhead_note() const = 0;
};

// Creates the back end; kAuto picks the first of ebpf, ptrace that works here. Fails with a hint that says what is
// missing. `why_not` collects, for kAuto, one line per back end that was passed over.
Result<std::unique_ptr<Source>> make_source(Backend backend, const SourceOptions& options,
                                            std::vector<std::string>* why_not);

}  // namespace netpoll::probes
