// Reads the rings of targets, and merges them by time.
#include "probes/self/self_stream.h"

#include <sys/uio.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <optional>
#include <thread>

#include "libruntime/base/clock.h"
#include "probes/goroutines/libruntime/runtime_finder.h"
#include "probes/process/clock.h"
#include "probes/process/subject.h"
#include "probes/process/watch.h"
#include "probes/self/ring_reader.h"
#include "probes/stream/endpoints.h"
#include "probes/stream/stories.h"
#include "probes/stream/vocabulary.h"

namespace netpoll::probes {
namespace {

constexpr std::int64_t kLeaseNs = 1'000'000'000;
constexpr std::int64_t kRenewNs = 200'000'000;
// Events of other threads that are not in their rings yet may be this much older.
constexpr std::uint64_t kSettleNs = 2'000'000;
constexpr int kDrainEveryMs = 5;
constexpr int kLookEveryMs = 1;                    // for the runtime of a held target
constexpr std::int64_t kLookAgainNs = 50'000'000;  // for Runtimes that are new
constexpr std::uint32_t kMaxRings = 1 << 14;
constexpr std::uint32_t kMaxRingStride = 1 << 16;

struct TimedEvent {
  pid_t pid = 0;
  trace::Event event;
};

// One target: its Runtimes, and the rings of each.
class RingTarget {
 public:
  Result<void> attach(const Target& target) {
    auto watch = ProcessWatch::open(target.pid);
    if (!watch) return std::move(watch).error();
    watch_ = std::move(*watch);
    pid_ = target.pid;
    held_ = target.held;
    if (held_) return {};
    clock_offset_ = target_monotonic_now(pid_) - base::nanotime();
    if (auto found = find(); !found) return found;
    if (auto renewed = renew(); !renewed) return renewed;
    return look();
  }

  pid_t pid() const { return pid_; }
  bool alive() const { return watch_.alive(); }
  int fd() const { return watch_.fd(); }
  bool found() const { return process_.has_value(); }

  // Reads what is new. Never fails: a target that is gone, or executes another program, has nothing new.
  void read(std::vector<TimedEvent>& events, std::vector<trace::Loss>& losses) {
    if (!process_) {
      // A held child still runs a copy of this tool until its exec.
      clock_offset_ = target_monotonic_now(pid_) - base::nanotime();
      if (!find() || !renew() || !look()) {
        process_.reset();
        return;
      }
      if (missed_ != 0)
        losses.push_back({.time_ns = static_cast<std::uint64_t>(base::nanotime()), .count = missed_, .where = "ring"});
      missed_ = 0;
    }
    const std::int64_t now = base::nanotime();
    if (now - renewed_at_ > kRenewNs && !renew()) {
      process_.reset();
      return;
    }
    if (now - looked_at_ > kLookAgainNs) static_cast<void>(look());
    for (auto& [address, readers] : readers_) {
      for (RingReader& reader : readers) {
        auto read = reader.read(process_->subject->memory());
        if (!read) continue;
        if (read->lost != 0) {
          const std::uint64_t when =
              read->lost_before_ns != 0 ? ours(read->lost_before_ns) : static_cast<std::uint64_t>(now);
          losses.push_back({.time_ns = when, .count = read->lost, .where = "ring"});
        }
        for (trace::Event& event : read->events) {
          event.time_ns = ours(event.time_ns);
          events.push_back({pid_, event});
        }
      }
    }
  }

  void detach() { process_.reset(); }

 private:
  std::uint64_t ours(std::uint64_t time_ns) const { return time_ns - static_cast<std::uint64_t>(clock_offset_); }

  Result<void> find() {
    readers_.clear();
    auto found = find_runtime_process(pid_, "trace --backend ebpf sees the system calls of any process");
    if (!found) return std::move(found).error();
    process_ = std::move(*found);
    return {};
  }

  // Asks for events for another while. What is written to is asked for anew each time: the process may have executed
  // another program, and a word of that is not ours.
  Result<void> renew() {
    bool asked = false;
    for (const RuntimeView& known : process_->views) {
      auto view = RuntimeView::open(process_->subject->memory(), known.address());
      if (!view) return std::move(view).error();
      auto runtimes = view->runtimes();
      if (!runtimes) return std::move(runtimes).error();
      for (const RuntimeInfo& runtime : *runtimes) {
        if (runtime.record_until == 0) {
          return Error(ErrorKind::kNotSupported, "the target's libruntime keeps no rings of events")
              .with_hint("it is older than this tool; --backend ebpf needs no help of the target's");
        }
        std::uint64_t until = static_cast<std::uint64_t>(base::nanotime() + clock_offset_ + kLeaseNs);
        const iovec local = {&until, sizeof(until)};
        const iovec remote = {reinterpret_cast<void*>(runtime.record_until), sizeof(until)};
        if (process_vm_writev(pid_, &local, 1, &remote, 1, 0) != static_cast<ssize_t>(sizeof(until))) {
          return process_error(pid_, errno);
        }
        asked = true;
        break;  // one word for all of them
      }
    }
    if (asked) renewed_at_ = base::nanotime();
    return asked || !held_ ? Result<void>() : Error(ErrorKind::kNotFound, "no Runtime yet");
  }

  // Finds rings that are new. Of Runtimes that were there before we asked for events the past is not ours; one that
  // came later has been asked from its beginning.
  Result<void> look() {
    std::map<std::uint64_t, std::vector<RingReader>> readers;
    for (const RuntimeView& view : process_->views) {
      auto runtimes = view.runtimes();
      if (!runtimes) return std::move(runtimes).error();
      for (const RuntimeInfo& runtime : *runtimes) {
        if (const auto known = readers_.find(runtime.address); known != readers_.end()) {
          readers.insert(readers_.extract(known));
          continue;
        }
        if (runtime.ring_count > kMaxRings || runtime.ring_stride > kMaxRingStride ||
            runtime.ring_stride < sizeof(debug::RingHeader)) {
          return Error(ErrorKind::kProtocol, "debug ABI: " + std::to_string(runtime.ring_count) + " rings");
        }
        std::vector<RingReader> rings;
        const bool from_start = looked_at_ != 0 || held_;
        for (std::uint32_t i = 0; i < runtime.ring_count; ++i) {
          RingReader& ring = rings.emplace_back(runtime.rings + std::uint64_t{runtime.ring_stride} * i, from_start);
          // Notes where the ring stands now.
          if (from_start) continue;
          if (auto read = ring.read(process_->subject->memory()); !read) return std::move(read).error();
        }
        readers.emplace(runtime.address, std::move(rings));
        if (held_ && looked_at_ == 0) count_missed(view, runtime);
      }
    }
    readers_ = std::move(readers);
    looked_at_ = base::nanotime();
    return {};
  }

  // What a command's Runtime counted before it was asked for events.
  void count_missed(const RuntimeView& view, const RuntimeInfo& runtime) {
    const auto counts = view.counters(runtime);
    if (counts) missed_ += std::accumulate(counts->begin(), counts->end(), std::uint64_t{0});
  }

  pid_t pid_ = -1;
  bool held_ = false;
  ProcessWatch watch_;
  std::optional<RuntimeProcess> process_;
  std::map<std::uint64_t, std::vector<RingReader>> readers_;  // by address of the DebugRuntime
  std::int64_t clock_offset_ = 0;                             // the target's CLOCK_MONOTONIC less ours
  std::int64_t renewed_at_ = 0;
  std::int64_t looked_at_ = 0;
  std::uint64_t missed_ = 0;
};

class SelfStream : public StreamSource {
 public:
  explicit SelfStream(const StreamOptions& options) : options_(options) {}

  Backend backend() const override { return Backend::kSelf; }

  Result<void> attach(std::span<const Target> targets) override {
    targets_.clear();
    for (const Target& target : targets) {
      RingTarget attached;
      if (auto ok = attached.attach(target); !ok) return ok;
      if (!target.held) endpoints_.load(target.pid);
      targets_.push_back(std::move(attached));
    }
    return {};
  }

  Result<bool> wait(int timeout_ms, int stop_fd) override {
    const auto first = std::find_if(targets_.begin(), targets_.end(), [](const auto& t) { return t.alive(); });
    if (first == targets_.end()) return false;
    const int most = first->found() ? kDrainEveryMs : kLookEveryMs;
    auto ended = wait_readable(first->fd(), timeout_ms < 0 ? most : std::min(timeout_ms, most), stop_fd);
    if (!ended) return std::move(ended).error();
    return std::any_of(targets_.begin(), targets_.end(), [](const auto& target) { return target.alive(); });
  }

  Result<void> drain(trace::Sink& sink) override {
    const std::uint64_t settled = detached_ ? UINT64_MAX : static_cast<std::uint64_t>(base::nanotime()) - kSettleNs;
    for (RingTarget& target : targets_) {
      if (!detached_) target.read(events_, losses_);
    }
    std::stable_sort(events_.begin(), events_.end(),
                     [](const auto& a, const auto& b) { return a.event.time_ns < b.event.time_ns; });
    const auto end =
        std::partition_point(events_.begin(), events_.end(), [&](const auto& e) { return e.event.time_ns <= settled; });
    endpoints_.look_up();
    for (auto at = events_.begin(); at != end; ++at) {
      give_losses(at->event.time_ns, sink);
      give(*at, sink);
    }
    events_.erase(events_.begin(), end);
    give_losses(settled, sink);
    return {};
  }

  void detach() override {
    if (detached_) return;
    // What is in the rings now is still ours.
    for (RingTarget& target : targets_) {
      target.read(events_, losses_);
      target.detach();
    }
    detached_ = true;
  }

  StreamTotals totals() const override { return totals_; }

  std::vector<EventKind> vocabulary() const override {
    std::vector<EventKind> kinds;
    if (options_.tracepoints) add_tracepoint_kinds(kinds);
    return kinds;
  }

  std::string overhead_note() const override {
    return "libruntime's own rings, read from outside: about 40 ns per event of the target, nothing else";
  }

 private:
  void give_losses(std::uint64_t until_ns, trace::Sink& sink) {
    std::stable_sort(losses_.begin(), losses_.end(),
                     [](const auto& a, const auto& b) { return a.time_ns < b.time_ns; });
    auto at = losses_.begin();
    for (; at != losses_.end() && at->time_ns <= until_ns; ++at) {
      stories_.lost();
      totals_.lost += at->count;
      sink.lost(*at);
    }
    losses_.erase(losses_.begin(), at);
  }

  void give(const TimedEvent& from, trace::Sink& sink) {
    const trace::Event& event = from.event;
    trace::Record record;
    record.time_ns = event.time_ns;
    record.pid = from.pid;
    record.tid = static_cast<pid_t>(event.tid);
    if (!fill_tracepoint(record, static_cast<std::size_t>(event.tp), event.args)) return;
    stories_.annotate(record);
    if (record.step == trace::Step::kRegister) endpoints_.forget(record.pid, record.fd);
    record.endpoint = endpoints_.find(record.pid, record.fd);
    if (record.step == trace::Step::kClose) endpoints_.forget(record.pid, record.fd);
    ++totals_.events;
    sink.event(record);
  }

  StreamOptions options_;
  std::vector<RingTarget> targets_;
  std::vector<TimedEvent> events_;
  std::vector<trace::Loss> losses_;
  EndpointCache endpoints_;
  Stories stories_;
  StreamTotals totals_;
  bool detached_ = false;
};

}  // namespace

std::unique_ptr<StreamSource> make_self_stream(const StreamOptions& options) {
  return std::make_unique<SelfStream>(options);
}

}  // namespace netpoll::probes
