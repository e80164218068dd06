// The Source around a Tracer.
#include "probes/ptrace/ptrace_source.h"

#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <map>
#include <utility>
#include <vector>

#include "probes/countable.h"
#include "probes/launch/child.h"
#include "probes/launch/exit_relay.h"
#include "probes/process/watch.h"
#include "probes/ptrace/seccomp_filter.h"
#include "probes/ptrace/tracer.h"

namespace netpoll::probes {
namespace {

class PtraceSource : public Source {
 public:
  explicit PtraceSource(const SourceOptions& options) : options_(options) {}

  Backend backend() const override { return Backend::kPtrace; }
  void prepare(LaunchSpec& spec) override;
  Result<void> attach(std::span<const Target> targets) override;
  Result<bool> wait(int timeout_ms, int stop_fd) override;
  Result<Counts> read() override;
  Result<CountsByTarget> read_each() override;
  void detach() override;
  std::string overhead_note() const override;

 private:
  Result<std::unique_ptr<Tracer>> trace(const Target& target, const std::vector<pid_t>& targets) const;

  const SourceOptions options_;
  std::shared_ptr<ExitRelay> relay_;
  std::map<pid_t, std::unique_ptr<Tracer>> tracers_;  // of each target
  bool gone_ = false;
  bool filtered_ = false;
  bool detached_ = false;
  CountsByTarget final_;  // what was counted when we detached
};

void PtraceSource::prepare(LaunchSpec& spec) {
  relay_ = std::make_shared<ExitRelay>();
  spec.exit_relay = relay_;
  spec.traceable = true;
  filtered_ = spec.dies_with_source && !spec.outlives_us;
  if (filtered_) spec.seccomp_filter = make_seccomp_filter();
}

Result<void> PtraceSource::attach(std::span<const Target> targets) {
  const std::vector<pid_t> pids = pids_of(targets);
  for (const Target& target : targets) {
    auto tracer = trace(target, pids);
    if (!tracer) {
      tracers_.clear();
      return std::move(tracer).error();
    }
    tracers_.insert_or_assign(target.pid, std::move(*tracer));
  }
  return {};
}

Result<std::unique_ptr<Tracer>> PtraceSource::trace(const Target& target, const std::vector<pid_t>& targets) const {
  if (target.held && relay_ == nullptr) {
    return Error(ErrorKind::kInvalid, "the child was launched without Source::prepare");
  }
  if (auto watch = ProcessWatch::open(target.pid); !watch) return std::move(watch).error();
  if (auto fit = check_countable(target); !fit) return std::move(fit).error();
  auto tracer = std::make_unique<Tracer>(target, targets, options_.latency, target.held ? relay_ : nullptr, filtered_);
  if (Result<void> started = tracer->start(); !started) return std::move(started).error();
  return tracer;
}

Result<bool> PtraceSource::wait(int timeout_ms, int stop_fd) {
  if (tracers_.empty()) return !gone_;
  using Clock = std::chrono::steady_clock;
  const auto deadline = Clock::now() + std::chrono::milliseconds(timeout_ms);
  std::vector<pollfd> entries;
  for (const auto& [pid, tracer] : tracers_) entries.push_back({tracer->gone_fd(), POLLIN, 0});
  entries.push_back({stop_fd, POLLIN, 0});
  for (;;) {
    const int n = poll(entries.data(), entries.size(), timeout_ms);
    if (n < 0 && errno != EINTR) return posix_error("poll", errno);
    if (n >= 0) {
      const bool stopped = entries.back().revents != 0;
      // A target that is gone stays so.
      entries.erase(std::remove_if(entries.begin(), entries.end() - 1, [](const pollfd& e) { return e.revents != 0; }),
                    entries.end() - 1);
      gone_ = entries.size() == 1;
      if (gone_ || stopped || n == 0) return !gone_;
    }
    if (timeout_ms > 0) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
      timeout_ms = left > 0 ? static_cast<int>(left) : 0;
    }
  }
}

Result<CountsByTarget> PtraceSource::read_each() {
  if (tracers_.empty() || detached_) return final_;
  CountsByTarget each;
  for (const auto& [pid, tracer] : tracers_) each.emplace(pid, tracer->counts());
  return each;
}

Result<Counts> PtraceSource::read() {
  auto each = read_each();
  if (!each) return std::move(each).error();
  if (each->size() == 1) return std::move(each->begin()->second);
  Counts sum;
  for (const auto& [pid, counts] : *each) add_counts(sum, counts);
  return sum;
}

void PtraceSource::detach() {
  if (tracers_.empty() || detached_) return;
  for (const auto& [pid, tracer] : tracers_) final_.insert_or_assign(pid, tracer->counts());
  detached_ = true;
  // Under the filter nothing may run untraced; what still lives ends with us.
  if (!filtered_) tracers_.clear();
}

std::string PtraceSource::overhead_note() const {
  if (filtered_) {
    return "ptrace with a seccomp filter: the target stops twice at every counted call; each takes 15 to 20 us longer "
           "with one busy thread, several times that with more";
  }
  std::string note =
      "ptrace: the target stops twice at every system call, counted or not; each takes 15 to 20 us longer with one "
      "busy thread, several times that with more";
  if (relay_ == nullptr) note += "; a wait in progress at attach begins its timeout anew";
  return note;
}

}  // namespace

std::unique_ptr<Source> make_ptrace_source(const SourceOptions& options) {
  return std::make_unique<PtraceSource>(options);
}

}  // namespace netpoll::probes
