// StreamSource: one way of seeing events of processes one by one, as they happen. Counting them is Source's business
// (source.h).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "netpoll/result.h"
#include "netpoll/trace/record.h"
#include "probes/source.h"
#include "probes/stream/calls.h"

namespace netpoll::probes {

struct StreamOptions {
  // By row of stream_calls(). Those that change what a descriptor stands for are seen by the source in any case, and
  // are then in the stream, too.
  std::array<bool, kStreamCallCount> calls{};
  bool tracepoints = true;       // of targets that have them
  bool uring = true;             // operations of io_uring, where the source can see them
  std::size_t buffer_bytes = 0;  // between kernel and us; 0: the source's own default
  // Directories of cgroups v2, at most kMaxCgroups: all processes in and below them, those to come too; attach() is
  // then given no target. Needs Backend::kEbpf.
  std::vector<std::string> cgroups;
  // All targets are programs of libruntime, as far as is known: kAuto then prefers what they say themselves to ptrace.
  bool libruntime = false;
};

// One kind of event that a stream may contain.
struct EventKind {
  trace::RecordKind kind = trace::RecordKind::kCall;
  std::string_view name;
  std::vector<trace::Arg> args;  // names and forms
};

// What a stream was until now.
struct StreamTotals {
  std::uint64_t events = 0;
  std::uint64_t lost = 0;
  std::vector<std::uint64_t> lost_by_cpu;  // of those whose CPU is known; empty: the source has no such
  std::uint64_t foreign = 0;               // of the lost: calls of the 32-bit interface, which are not told apart
};

// Not thread-safe: one thread makes all calls, in this order: prepare (where a child is to be launched), attach, then
// wait and drain any number of times, detach, and drain a last time.
class StreamSource {
 public:
  virtual ~StreamSource() = default;
  virtual Backend backend() const = 0;
  virtual void prepare(LaunchSpec& spec) { static_cast<void>(spec); }
  // As Source::attach.
  virtual Result<void> attach(std::span<const Target> targets) = 0;
  // Waits until there may be something to drain, at most timeout_ms, or until stop_fd became readable. Returns false
  // once all targets are gone. Whoever comes late costs events, since buffers are finite.
  virtual Result<bool> wait(int timeout_ms, int stop_fd) = 0;
  // Hands over what happened, in order of time, and the losses where they happened. The newest events are kept back
  // for a few milliseconds, since others may yet turn out to be older; after detach() nothing is.
  virtual Result<void> drain(trace::Sink& sink) = 0;
  // Shows the calls and operations that are under way now, as unfinished events that are no part of the stream, which
  // goes on; a source that cannot tell shows none.
  virtual Result<void> show_open(trace::Sink& sink) {
    static_cast<void>(sink);
    return {};
  }
  // Leaves the targets as they were. Idempotent; the destructor calls it.
  virtual void detach() = 0;
  virtual StreamTotals totals() const = 0;
  // All kinds of events that may come.
  virtual std::vector<EventKind> vocabulary() const = 0;
  virtual std::string overhead_note() const = 0;
};

// Creates the back end; kAuto picks ebpf where that works here, else `self` for programs of libruntime, which it alone
// knows, and ptrace for others. why_not as in make_source().
Result<std::unique_ptr<StreamSource>> make_stream_source(Backend backend, const StreamOptions& options,
                                                         std::vector<std::string>* why_not);

}  // namespace netpoll::probes
