#include "cli/stat/measurement.h"

#include <algorithm>
#include <csignal>
#include <memory>

#include "cli/documents/counts_json.h"
#include "cli/process_list.h"
#include "cli/wake_set.h"
#include "exporters/text.h"

namespace netpoll::cli {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::steady_clock;

// How long we wait for a command to end that was asked to.
constexpr milliseconds kGrace{5000};

struct Observed {
  std::unique_ptr<probes::Source> source;
  bool gone = false;
};

// One measurement under way.
class Meter {
 public:
  Meter(const MeasurePlan& plan, Interrupt& interrupt, Log& log, WakeSet wake)
      : plan_(plan), interrupt_(interrupt), log_(log), wake_(std::move(wake)) {}

  Measurement& result() { return result_; }

  Result<probes::Source*> add_source() {
    std::vector<std::string> passed_over;
    // Every target is counted by the same back end, or the sum would mean nothing.
    const probes::Backend wanted = observed_.empty() ? plan_.backend : result_.probe.backend;
    auto source = probes::make_source(wanted, {}, &passed_over);
    if (!source) return std::move(source).error();
    if (observed_.empty()) {
      result_.probe.backend = (*source)->backend();
      result_.probe.passed_over = passed_over;
      for (const std::string& reason : passed_over) log_.note("not used: " + reason);
    }
    observed_.push_back({std::move(*source)});
    return observed_.back().source.get();
  }

  void start() {
    result_.started_at = std::chrono::system_clock::now();
    begin_ = last_ = steady_clock::now();
    log_.detail("the probes are attached");
  }

  // Until the time is up, every target is gone, `child` has ended, or somebody interrupts. What the keyboard says to a
  // command is for the command to obey.
  Result<void> watch(const probes::Child* child) {
    if (auto ok = wake_.add(interrupt_.fd()); !ok) return ok;
    if (child != nullptr) {
      if (auto ok = wake_.add(child->pidfd()); !ok) return ok;
    }
    for (;;) {
      const auto now = steady_clock::now();
      const auto end = plan_.duration ? begin_ + *plan_.duration : steady_clock::time_point::max();
      const auto mark = plan_.interval ? last_ + *plan_.interval : steady_clock::time_point::max();
      if (now >= mark) {
        if (auto ok = take_interval(now); !ok) return ok;
        continue;
      }
      if (now >= end) break;
      if (interrupt_.requested()) {
        if (child == nullptr || !interrupt_.from_keyboard()) break;
        wake_.remove(interrupt_.fd());  // stays readable
      }
      // A command has the terminal for itself.
      if (child == nullptr) show(now);
      auto left = wait(std::min({end, mark, now + milliseconds(200)}) - now);
      if (!left) return std::move(left).error();
      auto woken = wake_.ready(0);
      if (!woken) return std::move(woken).error();
      const bool child_ended =
          child != nullptr && std::find(woken->begin(), woken->end(), child->pidfd()) != woken->end();
      if (!*left || child_ended) {
        result_.target_ended = true;
        break;
      }
    }
    wake_.remove(interrupt_.fd());
    if (child != nullptr) wake_.remove(child->pidfd());
    return {};
  }

  Result<void> finish() {
    const auto now = steady_clock::now();
    if (plan_.interval && now > last_) {
      if (auto ok = take_interval(now); !ok) return ok;
    }
    auto counts = read();
    if (!counts) return std::move(counts).error();
    result_.counts = *counts;
    result_.duration = now - begin_;
    if (result_.probe.backend != probes::Backend::kNone) put_losses(result_.probe, *counts);
    result_.probe.overhead_note = observed_.front().source->overhead_note();
    for (Observed& observed : observed_) observed.source->detach();
    log_.clear_progress();
    return {};
  }

 private:
  // Waits; returns false once every target is gone.
  Result<bool> wait(nanoseconds timeout) {
    const int timeout_ms = static_cast<int>((timeout.count() + 999'999) / 1'000'000);
    Observed* first = nullptr;
    for (Observed& observed : observed_) {
      if (observed.gone) continue;
      if (first == nullptr) {
        first = &observed;
        continue;
      }
      auto alive = observed.source->wait(0, wake_.fd());
      if (!alive) return std::move(alive).error();
      observed.gone = !*alive;
    }
    if (first != nullptr) {
      auto alive = first->source->wait(timeout_ms, wake_.fd());
      if (!alive) return std::move(alive).error();
      first->gone = !*alive;
    }
    return std::any_of(observed_.begin(), observed_.end(), [](const Observed& o) { return !o.gone; });
  }

  Result<probes::Counts> read() {
    probes::Counts sum;
    bool first = true;
    for (Observed& observed : observed_) {
      auto counts = observed.source->read();
      if (!counts) return std::move(counts).error().within("read the counts");
      if (first) {
        sum = std::move(*counts);
      } else {
        add_counts(sum, *counts);
      }
      first = false;
    }
    return sum;
  }

  Result<void> take_interval(steady_clock::time_point now) {
    auto counts = read();
    if (!counts) return std::move(counts).error();
    result_.intervals.push_back({last_ - begin_, now - last_, counts_between(counts_at_last_, *counts)});
    log_.clear_progress();
    if (plan_.on_interval) plan_.on_interval(result_.intervals.back(), result_.probe.backend);
    counts_at_last_ = std::move(*counts);
    last_ = now;
    return {};
  }

  void show(steady_clock::time_point now) {
    const double seconds = std::chrono::duration<double>(now - begin_).count();
    std::string text = "counting, " + exporters::fixed(seconds, 1);
    if (plan_.duration) {
      text += " of " + exporters::human_ns(static_cast<std::uint64_t>(plan_.duration->count()));
    } else {
      text += " s; Ctrl-C ends and prints";
    }
    log_.progress(text);
  }

  const MeasurePlan& plan_;
  Interrupt& interrupt_;
  Log& log_;
  WakeSet wake_;
  std::vector<Observed> observed_;
  Measurement result_;
  probes::Counts counts_at_last_;
  steady_clock::time_point begin_;
  steady_clock::time_point last_;
};

// A process may end between our first look at it and the probes.
Error not_attached(Error error) {
  if (error.is(ErrorKind::kNotFound) && error.hint().empty()) {
    return std::move(error).with_hint("it ended before it could be observed");
  }
  return error;
}

// Asks a command that is still running to end: with the signal that ended us, or as perf stat --timeout does. One that
// does not obey is left to live as it would have without us.
Result<std::optional<probes::ExitStatus>> end_program(probes::Child& child, const Interrupt& interrupt) {
  if (auto sent = child.send(interrupt.signal().value_or(SIGTERM)); !sent) return std::move(sent).error();
  return child.wait(static_cast<int>(kGrace.count()));
}

// A daemon lives on when the command that started it has ended, and with it the measurement.
void note_left_running(Measurement& measurement) {
  const std::uint64_t left = measurement.counts.processes.value_or(0);
  if (!measurement.target_ended || left == 0) return;
  measurement.probe.notes.push_back(exporters::grouped(left) + (left == 1 ? " process" : " processes") +
                                    " that the command started still " + (left == 1 ? "runs" : "run") +
                                    ", not counted any more; stat -p PID --follow-forks goes on");
}

// The keyboard belongs to the command for as long as this lives.
struct SharedKeyboard {
  explicit SharedKeyboard(Interrupt& of) : interrupt(of) { interrupt.share_keyboard(true); }
  ~SharedKeyboard() { interrupt.share_keyboard(false); }
  SharedKeyboard(const SharedKeyboard&) = delete;
  SharedKeyboard& operator=(const SharedKeyboard&) = delete;
  Interrupt& interrupt;
};

}  // namespace

Result<Measurement> measure_processes(const std::vector<pid_t>& pids, const MeasurePlan& plan, Interrupt& interrupt,
                                      Log& log) {
  auto wake = WakeSet::create();
  if (!wake) return std::move(wake).error();
  Meter meter(plan, interrupt, log, std::move(*wake));
  for (const pid_t pid : pids) {
    auto info = probes::describe_target(pid);
    if (!info) return not_attached(std::move(info).error());
    auto source = meter.add_source();
    if (!source) return std::move(source).error();
    const probes::Target target{pid, /*held=*/false, plan.follow_forks, info->exe.value_or("")};
    if (auto ok = (*source)->attach(target); !ok) return not_attached(std::move(ok).error());
    meter.result().targets.push_back(std::move(*info));
  }
  meter.start();
  if (auto ok = meter.watch(nullptr); !ok) return std::move(ok).error();
  if (auto ok = meter.finish(); !ok) return std::move(ok).error();
  return std::move(meter.result());
}

Result<Measurement> measure_program(const std::vector<std::string>& program, const MeasurePlan& plan,
                                    Interrupt& interrupt, Log& log) {
  auto wake = WakeSet::create();
  if (!wake) return std::move(wake).error();
  Meter meter(plan, interrupt, log, std::move(*wake));
  auto source = meter.add_source();
  if (!source) return std::move(source).error();
  const SharedKeyboard shared(interrupt);

  probes::LaunchSpec spec;
  spec.argv = program;
  spec.close_other_fds = false;
  spec.ignored_signals = interrupt.ignored_by_caller();
  spec.outlives_us = true;
  (*source)->prepare(spec);
  auto child = probes::launch(spec);
  if (!child) return std::move(child).error();
  const std::string exe = find_program(program.front());
  if (auto ok = (*source)->attach({child->pid(), /*held=*/true, plan.follow_forks, exe}); !ok) {
    return std::move(ok).error();
  }
  meter.start();
  if (auto ok = child->resume(); !ok) {
    meter.result().exec_error = std::move(ok).error();
    return std::move(meter.result());
  }

  probes::TargetInfo info;
  // A command may have ended already: then its file says what it was.
  if (auto described = probes::describe_target(child->pid())) info = std::move(*described);
  info.pid = child->pid();
  if (!info.exe && !exe.empty()) info.exe = exe;
  if (!info.comm) info.comm = program.front().substr(program.front().rfind('/') + 1).substr(0, 15);
  meter.result().targets.push_back(std::move(info));

  if (auto ok = meter.watch(&*child); !ok) return std::move(ok).error();
  const bool ended = meter.result().target_ended;
  // -d counts for that long and no longer; an interrupted command's own ending belongs to what it did.
  const bool time_is_up = !ended && !interrupt.requested();
  if (time_is_up) {
    if (auto ok = meter.finish(); !ok) return std::move(ok).error();
  }
  auto status = ended ? child->wait(-1) : end_program(*child, interrupt);
  if (!status) return std::move(status).error();
  meter.result().exit = *status;
  if (!time_is_up) {
    if (auto ok = meter.finish(); !ok) return std::move(ok).error();
  }
  note_left_running(meter.result());
  return std::move(meter.result());
}

}  // namespace netpoll::cli
