#include "probes/self/self_source.h"

#include <poll.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <vector>

#include "probes/goroutines/libruntime/runtime_finder.h"
#include "probes/process/watch.h"
#include "probes/self/counter_ledger.h"

namespace netpoll::probes {
namespace {

constexpr int kLookEveryMs = 10;

std::int64_t now_ms() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

bool readable(int fd) {
  pollfd p{.fd = fd, .events = POLLIN, .revents = 0};
  return fd >= 0 && ::poll(&p, 1, 0) > 0;
}

class SelfSource : public Source {
 public:
  Backend backend() const override { return Backend::kSelf; }

  Result<void> attach(const Target& target) override {
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

  Result<bool> wait(int timeout_ms, int stop_fd) override {
    const std::int64_t end = timeout_ms < 0 ? INT64_MAX : now_ms() + timeout_ms;
    for (;;) {
      const auto left = std::clamp<std::int64_t>(end - now_ms(), 0, kLookEveryMs);
      auto alive = watch_.wait(static_cast<int>(left), stop_fd);
      if (!alive || !*alive) return alive;
      if (auto looked = look_again(); !looked) return std::move(looked).error();
      if (readable(stop_fd) || now_ms() >= end) return true;
    }
  }

  Result<Counts> read() override {
    if (watch_.alive()) {
      if (auto looked = look_again(); !looked) return std::move(looked).error();
    }
    Counts counts;
    const TracepointCounts total = ledger_.total();
    for (std::size_t i = 0; i < known_rows_; ++i) counts.tracepoints[i] = total[i] - baseline_[i];
    return counts;
  }

  void detach() override { process_.reset(); }

  std::string overhead_note() const override {
    return "libruntime's own counters, read from outside every " + std::to_string(kLookEveryMs) +
           " ms: no cost to the target, no system calls; what it counts after the last look, as it ends, is missed";
  }

 private:
  Result<void> find() {
    auto subject = make_live_subject(pid_);
    if (!subject) return std::move(subject).error();
    auto views = find_runtime_views(**subject);
    if (!views) return std::move(views).error();
    if (views->empty()) {
      return Error(ErrorKind::kNotSupported, "pid " + std::to_string(pid_) + " is not a libruntime program")
          .with_hint("netpoll-trace stat -p " + std::to_string(pid_) +
                     " counts the poller's system calls of any process");
    }
    process_.emplace(RuntimeProcess{.subject = std::move(*subject), .views = std::move(*views)});
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

  // As look(), but finds the runtime (again) where there is none yet, and takes its absence for no error: the target
  // may not have come so far, or may be gone.
  Result<void> look_again() {
    if (process_ && look()) return {};
    process_.reset();
    if (auto found = find(); !found) {
      const ErrorKind kind = found.error().kind();
      return kind == ErrorKind::kNotFound || kind == ErrorKind::kNotSupported ? Result<void>() : found;
    }
    if (!look()) process_.reset();
    return {};
  }

  // The views refer to the subject, which keeps its address.
  struct RuntimeProcess {
    std::unique_ptr<Subject> subject;
    std::vector<RuntimeView> views;
  };

  pid_t pid_ = -1;
  ProcessWatch watch_;
  std::optional<RuntimeProcess> process_;
  CounterLedger ledger_;
  TracepointCounts baseline_{};
  std::size_t known_rows_ = 0;
};

}  // namespace

std::unique_ptr<Source> make_self_source() { return std::make_unique<SelfSource>(); }

}  // namespace netpoll::probes
