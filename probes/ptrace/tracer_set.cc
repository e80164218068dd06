// Starts tracers and waits for what they trace.
#include "probes/ptrace/tracer_set.h"

#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <utility>
#include <vector>

#include "probes/countable.h"
#include "probes/launch/child.h"
#include "probes/process/watch.h"
#include "probes/ptrace/seccomp_filter.h"

namespace netpoll::probes {

void TracerSet::prepare(LaunchSpec& spec, std::span<const unsigned> numbers) {
  relay_ = std::make_shared<ExitRelay>();
  spec.exit_relay = relay_;
  spec.traceable = true;
  filtered_ = spec.dies_with_source && !spec.outlives_us;
  if (filtered_) spec.seccomp_filter = make_seccomp_filter(numbers);
}

Result<void> TracerSet::add(const Target& target, std::span<const Target> targets, CallObserver& observer, bool timed) {
  if (target.held && relay_ == nullptr) {
    return Error(ErrorKind::kInvalid, "the child was launched without prepare()");
  }
  if (auto watch = ProcessWatch::open(target.pid); !watch) return std::move(watch).error();
  if (auto fit = check_countable(target); !fit) return fit;
  auto tracer =
      std::make_unique<Tracer>(target, pids_of(targets), observer, timed, target.held ? relay_ : nullptr, filtered_);
  if (auto started = tracer->start(); !started) return started;
  tracers_.insert_or_assign(target.pid, std::move(tracer));
  return {};
}

Result<bool> TracerSet::wait(int timeout_ms, int stop_fd) {
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

}  // namespace netpoll::probes
