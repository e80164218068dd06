// Reads libruntime's counters from outside.
#include "probes/self/self_source.h"

#include <poll.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "libruntime/base/clock.h"
#include "probes/goroutines/libruntime/runtime_finder.h"
#include "probes/process/watch.h"
#include "probes/self/counter_ledger.h"

namespace netpoll::probes {
namespace {

constexpr int kSampleEveryMs = 10;

std::int64_t now_ms() { return base::nanotime() / 1'000'000; }

bool readable(int fd) {
  pollfd p{.fd = fd, .events = POLLIN, .revents = 0};
  return fd >= 0 && ::poll(&p, 1, 0) > 0;
}

// The Runtimes of one target.
class RuntimeTarget {
 public:
  Result<void> attach(const Target& target) {
    auto watch = ProcessWatch::open(target.pid);
    if (!watch) return std::move(watch).error();
    watch_ = std::move(*watch);
    pid_ = target.pid;
    // A held child still runs a copy of this tool, whose libruntime is not the target's.
    if (target.held) return {};
    if (auto found = find(); !found) return found;
    if (auto looked = look(); !looked) return looked;
    baseline_ = ledger_.total();
    return {};
  }

  pid_t pid() const { return pid_; }
  bool alive() const { return watch_.alive(); }
  // As ProcessWatch::wait.
  Result<bool> wait(int timeout_ms, int stop_fd) const { return watch_.wait(timeout_ms, stop_fd); }

  // As look(), but finds the runtime (again) where there is none yet, and takes its absence for no error: the target
  // may not have come so far, or may be gone.
  Result<void> look_again() {
    if (!alive()) return {};
    if (process_ && look()) return {};
    process_.reset();
    if (auto found = find(); !found) {
      const ErrorKind kind = found.error().kind();
      return kind == ErrorKind::kNotFound || kind == ErrorKind::kNotSupported ? Result<void>() : found;
    }
    if (!look()) process_.reset();
    return {};
  }

  Counts counts() const {
    Counts counts;
    const TracepointCounts total = ledger_.total();
    for (std::size_t i = 0; i < known_rows_; ++i) counts.tracepoints[i] = total[i] - baseline_[i];
    return counts;
  }

  void detach() { process_.reset(); }

 private:
  Result<void> find() {
    auto found = find_runtime_process(
        pid_, "netpoll-trace stat -p " + std::to_string(pid_) + " counts the poller's system calls of any process");
    if (!found) return std::move(found).error();
    process_ = std::move(*found);
    return {};
  }

  // One look at the counters of all Runtimes. Fails when the views do not fit the process any more.
  Result<void> look() {
    std::vector<RuntimeCounters> alive;
    for (const RuntimeView& known : process_->views) {
      // Opened anew: the process may have executed another program.
      auto view = RuntimeView::open(process_->subject->memory(), known.address());
      if (!view) return std::move(view).error();
      auto runtimes = view->runtimes();
      if (!runtimes) return std::move(runtimes).error();
      for (const RuntimeInfo& runtime : *runtimes) {
        auto counts = view->counters(runtime);
        auto published = view->still_published(runtime);
        if (!published) return std::move(published).error();
        if (!*published) continue;
        if (!counts) return std::move(counts).error();
        alive.push_back({.runtime = runtime.address, .counts = *counts});
      }
      known_rows_ = std::max(known_rows_, view->known_rows());
    }
    ledger_.look(alive);
    return {};
  }

  pid_t pid_ = -1;
  ProcessWatch watch_;
  std::optional<RuntimeProcess> process_;
  CounterLedger ledger_;
  TracepointCounts baseline_{};
  std::size_t known_rows_ = 0;
};

class SelfSource : public Source {
 public:
  Backend backend() const override { return Backend::kSelf; }

  Result<void> attach(std::span<const Target> targets) override {
    targets_.clear();
    for (const Target& target : targets) {
      RuntimeTarget attached;
      if (auto ok = attached.attach(target); !ok) return ok;
      targets_.push_back(std::move(attached));
    }
    return {};
  }

  Result<bool> wait(int timeout_ms, int stop_fd) override {
    const std::int64_t end = timeout_ms < 0 ? INT64_MAX : now_ms() + timeout_ms;
    for (;;) {
      const auto first = std::find_if(targets_.begin(), targets_.end(), [](const auto& t) { return t.alive(); });
      if (first == targets_.end()) return false;
      const auto left = std::clamp<std::int64_t>(end - now_ms(), 0, kSampleEveryMs);
      if (auto waited = first->wait(static_cast<int>(left), stop_fd); !waited) return waited;
      if (auto looked = look(); !looked) return std::move(looked).error();
      if (readable(stop_fd) || now_ms() >= end) return any_alive();
    }
  }

  Result<Counts> read() override {
    if (auto looked = look(); !looked) return std::move(looked).error();
    Counts sum;
    for (const RuntimeTarget& target : targets_) add_counts(sum, target.counts());
    return sum;
  }

  Result<CountsByTarget> read_each() override {
    if (auto looked = look(); !looked) return std::move(looked).error();
    CountsByTarget each;
    for (const RuntimeTarget& target : targets_) each.emplace(target.pid(), target.counts());
    return each;
  }

  void detach() override {
    for (RuntimeTarget& target : targets_) target.detach();
  }

  std::string overhead_note() const override {
    return "libruntime's own counters, read from outside every " + std::to_string(kSampleEveryMs) +
           " ms: no cost to the target, no system calls; what it counts after the last look, as it ends, is missed";
  }

 private:
  Result<void> look() {
    for (RuntimeTarget& target : targets_) {
      if (auto looked = target.look_again(); !looked) return looked;
    }
    return {};
  }
  bool any_alive() const {
    return std::any_of(targets_.begin(), targets_.end(), [](const auto& target) { return target.alive(); });
  }

  std::vector<RuntimeTarget> targets_;
};

}  // namespace

std::unique_ptr<Source> make_self_source() { return std::make_unique<SelfSource>(); }

}  // namespace netpoll::probes
