// Source: one way of counting what processes do, from outside. eBPF, perf events, ptrace, libruntime's own counters and
// `none` implement it; `run`, `stat` and later commands are written against it alone.
#pragma once

#include <sys/types.h>

#include <bitset>
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

inline constexpr std::size_t kMaxCgroups = 8;

// What read_groups() tells apart.
enum class GroupBy : std::uint8_t { kNothing, kProcess, kThread, kFd, kCgroup };

struct SourceOptions {
  bool latency = true;      // times and histograms; without them only enter (and errno) are recorded
  bool tracepoints = true;  // attach to libruntime's USDT probes where the target has them
  // Directories of cgroups v2, at most kMaxCgroups: all processes in and below them are counted as one, those to come
  // too. Then attach() is given no target.
  std::vector<std::string> cgroups;
  GroupBy group_by = GroupBy::kNothing;
  bool best_effort = false;  // a probe that the kernel refuses is left out, see Source::left_out()
  bool held = false;         // the target will be a command of ours, held before its exec (Target::held)
  std::optional<std::bitset<kSyscallCount>> syscalls;  // the only ones of interest; others may be counted all the same
  std::size_t targets = 1;  // how many attach() will be given: so many are counted apart, as far as there is memory
};

// The calls of one kind that one process, thread, descriptor or cgroup made, and that returned.
struct GroupCounts {
  pid_t pid = 0;     // in the initial pid namespace; 0 with kCgroup
  pid_t tid = 0;     // with kThread
  pid_t ns_pid = 0;  // the same two in our own pid namespace, where that is another and they are in it; else 0
  pid_t ns_tid = 0;
  int fd = -1;               // with kFd
  std::uint64_t inode = 0;   // with kFd: of the file behind it, which tells apart who had the number
  std::uint64_t cgroup = 0;  // with kCgroup: its id, which is the inode of its directory
  std::string comm;          // of the thread that was first
  Syscall syscall{};
  std::uint64_t count = 0;
  std::uint64_t errors = 0;
  std::uint64_t again = 0;   // of errors: EAGAIN
  std::uint64_t result = 0;  // events, where waits_for_events(); bytes, where moves_bytes()
  std::uint64_t total_ns = 0;
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
  // By SourceOptions::group_by. kNotSupported where the back end cannot tell.
  virtual Result<std::vector<GroupCounts>> read_groups();
  // What SourceOptions::best_effort went on without, one sentence each. After attach().
  virtual std::vector<std::string> left_out() const { return {}; }
  // Leaves the targets as they were. Idempotent; the destructor calls it.
  virtual void detach() = 0;
  // One sentence for .probe.overhead_note: what this back end costs the target.
  virtual std::string overhead_note() const = 0;
};

// Creates the back end; kAuto picks the first of ebpf, perf (of a held target) and ptrace that works here. Fails with a
// hint that says what is missing. `why_not` collects, for kAuto, one line per back end that was passed over.
Result<std::unique_ptr<Source>> make_source(Backend backend, const SourceOptions& options,
                                            std::vector<std::string>* why_not);

}  // namespace netpoll::probes
