// Starts the process of an experiment, listens to it and to the probe, and puts both in one order of time.
#include "cli/claims/observe.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <memory>
#include <set>
#include <utility>

#include "cli/run/worker.h"
#include "cli/system/wake_set.h"
#include "exporters/events/words.h"
#include "exporters/text.h"
#include "probes/launch/child.h"
#include "probes/stream.h"

namespace netpoll::cli {
namespace {

using exporters::Json;
using std::chrono::steady_clock;

// An experiment takes a fraction of a second; on a machine under heavy load, more.
constexpr std::chrono::seconds kPatience{30};
constexpr int kClaimFd = 3;
// What nobody would read any more.
constexpr std::size_t kMostSteps = 200;
constexpr std::size_t kMostRecords = 200'000;

// The calls of a poller and those that move data; futexes and sleeps are left out.
probes::StreamOptions stream_options() {
  probes::StreamOptions options;
  for (std::size_t row = 0; row < probes::kStreamCallCount; ++row) {
    const std::string_view name = probes::stream_calls().at(row).name;
    options.calls.at(row) = name != "futex" && !name.ends_with("nanosleep");
  }
  return options;
}

// Keeps what the probe sees. Goroutines that yield until something has happened run hundreds of thousands of times on a
// busy machine: from one other event to the next, each is kept as running once.
class Records : public trace::Sink {
 public:
  explicit Records(std::vector<trace::Record>& records) : records_(records) {}
  void event(const trace::Record& record) override {
    if (record.kind != trace::RecordKind::kTracepoint || record.name != "run") {
      ran_.clear();
    } else if (!ran_.insert(record.goid).second) {
      return;
    }
    if (records_.size() < kMostRecords) {
      records_.push_back(record);
    } else {
      ++left_out_;
    }
  }
  void lost(const trace::Loss& loss) override { left_out_ += loss.count; }
  std::uint64_t left_out() const { return left_out_; }

 private:
  std::vector<trace::Record>& records_;
  std::set<std::uint64_t> ran_;  // goroutines, since the last event of another kind
  std::uint64_t left_out_ = 0;
};

std::string text_of(const trace::Record& record) {
  std::string text = "thread " + std::to_string(record.tid);
  if (record.goid != 0) text += ", goroutine " + std::to_string(record.goid);
  text += ": " + std::string(record.name);
  for (std::size_t i = 0; i < record.argc; ++i) {
    const trace::Arg& arg = record.args.at(i);
    text += ' ';
    if (arg.form != trace::ArgForm::kCtlOp && arg.form != trace::ArgForm::kPollEvents) {
      text += std::string(arg.name) + "=";
    }
    exporters::append_arg_value(text, arg);
  }
  if (!record.result) return text;
  const bool failed = *record.result < 0 && *record.result >= -4095;
  return text + " = " +
         (failed ? exporters::errno_name(static_cast<int>(-*record.result)) : std::to_string(*record.result));
}

// Drops what happened before the experiment's first note and after its last: the start and the end of a process.
void merge_steps(Evidence& seen) {
  if (seen.steps.empty()) return;
  const std::int64_t begin = seen.steps.front().time_ns;
  const std::int64_t end = seen.steps.back().time_ns;
  std::string before;
  for (const trace::Record& record : seen.records) {
    const auto time = static_cast<std::int64_t>(record.time_ns);
    if (record.kind == trace::RecordKind::kProcess || time < begin || time > end) continue;
    std::string text = text_of(record);
    if (text == before) continue;  // goroutines that yield until something has happened
    before = text;
    seen.steps.push_back({time, std::move(text)});
  }
  std::stable_sort(seen.steps.begin(), seen.steps.end(),
                   [](const ClaimStep& a, const ClaimStep& b) { return a.time_ns < b.time_ns; });
  if (seen.steps.size() > kMostSteps) {
    seen.steps_left_out = seen.steps.size() - kMostSteps;
    seen.steps.resize(kMostSteps);
  }
}

void take_report(const std::string& text, Evidence& seen) {
  const Json report = exporters::parse_json(text);
  if (!report.is_object()) {
    seen.failure = "the experiment said nothing";
    return;
  }
  seen.facts = report["facts"];
  seen.failure = report["failure"];
  for (const Json& step : report["steps"]) {
    seen.steps.push_back({step["time_ns"].get<std::int64_t>(), step["text"].get<std::string>()});
  }
}

// What of a report has arrived. False at its end.
bool read_report(int fd, std::string& text) {
  std::array<char, 4096> piece{};
  for (;;) {
    const ssize_t n = ::read(fd, piece.data(), piece.size());
    if (n > 0) {
      text.append(piece.data(), static_cast<std::size_t>(n));
    } else if (n == 0 || (errno != EINTR && errno != EAGAIN)) {
      return false;
    } else if (errno == EAGAIN) {
      return true;
    }
  }
}

// One experiment under way. Its destructor leaves no process behind.
class Experiment {
 public:
  Experiment(const Claim& claim, const Interrupt& interrupt) : claim_(claim), interrupt_(interrupt) {}

  // Where a back end was not asked for by name, one that cannot be used is no failure: the experiment goes on unseen.
  Result<void> start(ClaimProbe& probe) {
    std::vector<std::string> passed_over;
    if (probe.wanted != probes::Backend::kNone) {
      auto source = probes::make_stream_source(probe.wanted, stream_options(), &passed_over);
      if (source) {
        source_ = std::move(*source);
      } else if (probe.wanted != probes::Backend::kAuto) {
        return std::move(source).error();
      } else {
        passed_over.push_back(source.error().message());
      }
    }
    if (auto launched = launch(); !launched) return launched;
    const probes::Target target{child_->pid(), /*held=*/true, /*follow_forks=*/false, self_exe()};
    if (source_ != nullptr) {
      if (auto attached = source_->attach({&target, 1}); !attached) {
        if (probe.wanted != probes::Backend::kAuto) return attached;
        passed_over.push_back(attached.error().message());
        source_ = nullptr;
        if (auto again = launch(); !again) return again;  // a child that was prepared for a source wants it
      }
    }
    probe.used.backend = source_ != nullptr ? source_->backend() : probes::Backend::kNone;
    probe.used.passed_over = std::move(passed_over);
    if (source_ != nullptr) probe.used.overhead_note = source_->overhead_note();
    return child_->resume();
  }

  Result<Evidence> finish() {
    Evidence seen;
    Records records(seen.records);
    const auto begin = steady_clock::now();
    std::string text;
    if (auto heard = listen(begin + kPatience, records, text); !heard) return std::move(heard).error();
    seen.duration_ns = (steady_clock::now() - begin).count();
    if (source_ != nullptr) {
      source_->detach();
      if (auto drained = source_->drain(records); !drained) return std::move(drained).error();
      const std::uint64_t lost = records.left_out();
      lost_ = lost;
      seen.calls_seen = lost == 0 && source_->backend() != probes::Backend::kSelf;
    }
    if (!ended_) {
      (void)child_->kill();
      seen.failure = "the experiment did not end within " + std::to_string(kPatience.count()) + " s";
      return seen;
    }
    auto status = child_->wait(static_cast<int>(std::chrono::milliseconds(kPatience).count()));
    if (!status) return std::move(status).error();
    take_report(text, seen);
    if (*status && (*status)->signal != 0) {
      seen.failure = std::string("the experiment was killed by ") + ::strsignal((*status)->signal);
    }
    merge_steps(seen);
    return seen;
  }

  std::uint64_t lost() const { return lost_; }

 private:
  Result<void> launch() {
    child_.reset();
    std::array<int, 2> pipe{-1, -1};
    if (::pipe2(pipe.data(), O_CLOEXEC) != 0) return posix_error("pipe", errno);
    report_ = Fd(pipe[0]);
    const Fd child_end(pipe[1]);
    ::fcntl(report_.get(), F_SETFL, O_NONBLOCK);
    const Fd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
    if (!null.valid()) return posix_error("open /dev/null", errno);
    probes::LaunchSpec spec;
    spec.argv = {self_exe(), "__claim", std::string(claim_.name), std::to_string(kClaimFd)};
    spec.dies_with_source = true;
    // Standard output is for the result; what an experiment complains of goes to standard error.
    spec.fds = {{null.get(), STDIN_FILENO}, {STDERR_FILENO, STDOUT_FILENO}, {child_end.get(), kClaimFd}};
    if (source_ != nullptr) source_->prepare(spec);
    auto child = probes::launch(spec);
    if (!child) return std::move(child).error();
    child_.emplace(std::move(*child));
    return {};
  }

  // Until the report is whole, the time is up, or somebody interrupts.
  Result<void> listen(steady_clock::time_point deadline, Records& records, std::string& text) {
    auto wake = WakeSet::create();
    if (!wake) return std::move(wake).error();
    for (const int fd : {interrupt_.fd(), report_.get()}) {
      if (auto added = wake->add(fd); !added) return added;
    }
    while (!interrupt_.requested() && steady_clock::now() < deadline) {
      if (source_ != nullptr) {
        if (auto waited = source_->wait(/*timeout_ms=*/100, wake->fd()); !waited) return std::move(waited).error();
        if (auto drained = source_->drain(records); !drained) return drained;
      } else if (auto woken = wake->ready(/*timeout_ms=*/100); !woken) {
        return std::move(woken).error();
      }
      if (!read_report(report_.get(), text)) {
        ended_ = true;
        return {};
      }
    }
    return {};
  }

  const Claim& claim_;
  const Interrupt& interrupt_;
  std::unique_ptr<probes::StreamSource> source_;
  Fd report_;
  std::optional<probes::Child> child_;
  bool ended_ = false;
  std::uint64_t lost_ = 0;
};

}  // namespace

Result<Evidence> observe(const Claim& claim, ClaimProbe& probe, const Interrupt& interrupt) {
  Experiment experiment(claim, interrupt);
  if (auto started = experiment.start(probe); !started) return std::move(started).error().within("start an experiment");
  auto seen = experiment.finish();
  if (seen && probe.used.backend != probes::Backend::kNone) {
    probe.used.lost = probe.used.lost.value_or(0) + experiment.lost();
  }
  return seen;
}

}  // namespace netpoll::cli
