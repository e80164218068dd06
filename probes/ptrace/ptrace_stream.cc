// The StreamSource around Tracers.
#include "probes/ptrace/ptrace_stream.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "libruntime/base/clock.h"
#include "probes/launch/child.h"
#include "probes/ptrace/call_recorder.h"
#include "probes/ptrace/tracer_set.h"
#include "probes/stream/goroutine_questions.h"
#include "probes/stream/stream_decoder.h"
#include "probes/stream/vocabulary.h"

namespace netpoll::probes {
namespace {

constexpr std::size_t kDefaultBuffer = std::size_t{32} << 20;
// A tracer writes an event down so much after its time stamp at the latest, unless its CPU is taken away.
constexpr std::int64_t kSettleNs = 10'000'000;
constexpr int kMostMs = 20;

// Those without which nobody knows what a descriptor is are in the stream in any case.
std::array<bool, kStreamCallCount> with_needed(std::array<bool, kStreamCallCount> calls) {
  for (std::size_t row = 0; row < calls.size(); ++row) {
    calls.at(row) = calls.at(row) || changes_descriptors(stream_calls().at(row).role);
  }
  return calls;
}

class PtraceStream : public StreamSource {
 public:
  PtraceStream(const StreamOptions& options, std::unique_ptr<GoroutineNames> goroutines)
      : options_(options),
        recorder_(with_needed(options.calls), options.buffer_bytes != 0 ? options.buffer_bytes : kDefaultBuffer),
        decoder_(std::move(goroutines), /*clock_offset_ns=*/0) {
    options_.calls = with_needed(options.calls);
  }
  ~PtraceStream() override { detach(); }

  Backend backend() const override { return Backend::kPtrace; }
  void prepare(LaunchSpec& spec) override;
  Result<void> attach(std::span<const Target> targets) override;
  Result<bool> wait(int timeout_ms, int stop_fd) override {
    return tracers_.wait(timeout_ms < 0 ? kMostMs : std::min(timeout_ms, kMostMs), stop_fd);
  }
  Result<void> drain(trace::Sink& sink) override;
  Result<void> show_open(trace::Sink& sink) override;
  void detach() override;
  StreamTotals totals() const override;
  std::vector<EventKind> vocabulary() const override;
  std::string overhead_note() const override;

 private:
  void ask_for_goroutines();

  StreamOptions options_;
  CallRecorder recorder_;  // outlives tracers_
  TracerSet tracers_;
  StreamDecoder decoder_;
  GoroutineQuestions questions_;
  bool attached_ = false;
  bool finished_ = false;
};

void PtraceStream::prepare(LaunchSpec& spec) {
  std::vector<unsigned> numbers;
  for (std::size_t row = 0; row < options_.calls.size(); ++row) {
    const auto nr = stream_call_number(row);
    if (options_.calls.at(row) && nr) numbers.push_back(*nr);
  }
  tracers_.prepare(spec, numbers);
}

Result<void> PtraceStream::attach(std::span<const Target> targets) {
  attached_ = true;
  for (const Target& target : targets) {
    // What is open and registered now is looked up first: from then on the events say what changes.
    decoder_.add_target(static_cast<std::uint32_t>(target.pid), target.pid, /*load=*/!target.held);
    if (!target.held) questions_.add(static_cast<std::uint32_t>(target.pid), target.pid);
  }
  ask_for_goroutines();
  for (const Target& target : targets) {
    if (auto added = tracers_.add(target, targets, recorder_, /*timed=*/true); !added) {
      detach();
      return added;
    }
  }
  return {};
}

Result<void> PtraceStream::drain(trace::Sink& sink) {
  const std::int64_t begin = base::nanotime();
  recorder_.take([this](std::span<const std::byte> event) { decoder_.take(event); });
  const bool last = !attached_;
  decoder_.give(last ? UINT64_MAX : static_cast<std::uint64_t>(begin - kSettleNs), sink);
  if (last && !finished_) {
    finished_ = true;
    decoder_.finish(recorder_.totals(), static_cast<std::uint64_t>(begin), sink);
  }
  for (const auto& [tgid, pid] : decoder_.take_new_programs()) questions_.add(tgid, pid);
  if (!last) ask_for_goroutines();
  return {};
}

Result<void> PtraceStream::show_open(trace::Sink& sink) {
  if (!attached_) return {};
  recorder_.show_open(base::nanotime(), [&](const netpoll_stream_event& event) { decoder_.show(event, sink); });
  return {};
}

void PtraceStream::ask_for_goroutines() {
  if (decoder_.goroutines() == nullptr) return;
  questions_.ask(*decoder_.goroutines(), [this](std::uint32_t tgid, const CurrentG& current) {
    recorder_.set_go_program(static_cast<pid_t>(tgid), current);
  });
}

void PtraceStream::detach() {
  if (!attached_) return;
  attached_ = false;
  tracers_.clear();
  recorder_.finish(base::nanotime());
}

StreamTotals PtraceStream::totals() const {
  StreamTotals totals;
  totals.events = decoder_.events();
  for (const auto& [cpu, count] : decoder_.lost()) totals.lost += count;
  totals.foreign = recorder_.totals().compat;
  return totals;
}

std::vector<EventKind> PtraceStream::vocabulary() const {
  std::vector<EventKind> kinds;
  add_call_kinds(kinds, options_);
  add_process_kinds(kinds);
  return kinds;
}

std::string PtraceStream::overhead_note() const {
  if (tracers_.filtered()) {
    return "ptrace with a seccomp filter: the target stops twice at every call in the stream; each takes 15 to 20 us "
           "longer with one busy thread, several times that with more";
  }
  std::string note =
      "ptrace: the target stops twice at every system call, in the stream or not; each takes 15 to 20 us longer with one "
      "busy thread, several times that with more";
  if (!tracers_.launched()) note += "; a wait in progress at attach begins its timeout anew";
  return note;
}

}  // namespace

std::unique_ptr<StreamSource> make_ptrace_stream(const StreamOptions& options,
                                                 std::unique_ptr<GoroutineNames> goroutines) {
  return std::make_unique<PtraceStream>(options, std::move(goroutines));
}

}  // namespace netpoll::probes
