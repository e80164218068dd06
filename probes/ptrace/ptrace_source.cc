#include "probes/ptrace/ptrace_source.h"

#include <poll.h>

#include <cerrno>
#include <chrono>

#include "probes/launch/child.h"
#include "probes/launch/exit_relay.h"
#include "probes/process/facts.h"
#include "probes/process/watch.h"
#include "probes/ptrace/tracer.h"

namespace netpoll::probes {
namespace {

class PtraceSource : public Source {
 public:
  explicit PtraceSource(const SourceOptions& options) : options_(options) {}

  Backend backend() const override { return Backend::kPtrace; }
  void prepare(LaunchSpec& spec) override;
  Result<void> attach(const Target& target) override;
  Result<bool> wait(int timeout_ms, int stop_fd) override;
  Result<Counts> read() override;
  void detach() override;
  std::string overhead_note() const override;

 private:
  const SourceOptions options_;
  std::shared_ptr<ExitRelay> relay_;
  std::unique_ptr<Tracer> tracer_;
  bool gone_ = false;
  Counts final_;  // what was counted when tracer_ is no more
};

void PtraceSource::prepare(LaunchSpec& spec) {
  relay_ = std::make_shared<ExitRelay>();
  spec.exit_relay = relay_;
}

Result<void> PtraceSource::attach(const Target& target) {
  if (target.held && relay_ == nullptr) {
    return Error(ErrorKind::kInvalid, "the child was launched without Source::prepare");
  }
  if (auto watch = ProcessWatch::open(target.pid); !watch) return std::move(watch).error();
  if (auto fit = check_countable(target); !fit) return fit;
  auto tracer = std::make_unique<Tracer>(target, options_.latency, target.held ? relay_ : nullptr);
  if (Result<void> started = tracer->start(); !started) return started;
  tracer_ = std::move(tracer);
  return {};
}

Result<bool> PtraceSource::wait(int timeout_ms, int stop_fd) {
  if (tracer_ == nullptr) return !gone_;
  using Clock = std::chrono::steady_clock;
  const auto deadline = Clock::now() + std::chrono::milliseconds(timeout_ms);
  for (;;) {
    pollfd entries[2] = {{tracer_->gone_fd(), POLLIN, 0}, {stop_fd, POLLIN, 0}};
    if (poll(entries, 2, timeout_ms) >= 0) {
      gone_ = entries[0].revents != 0;
      return !gone_;
    }
    if (errno != EINTR) return posix_error("poll", errno);
    if (timeout_ms > 0) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
      timeout_ms = left > 0 ? static_cast<int>(left) : 0;
    }
  }
}

Result<Counts> PtraceSource::read() { return tracer_ != nullptr ? tracer_->counts() : final_; }

void PtraceSource::detach() {
  if (tracer_ == nullptr) return;
  final_ = tracer_->counts();
  tracer_.reset();
}

std::string PtraceSource::overhead_note() const {
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
