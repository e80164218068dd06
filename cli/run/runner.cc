// The steps of one run, from the start of the server to the last report.
#include "cli/run/runner.h"

#include <algorithm>
#include <utility>

#include "cli/run/crew.h"
#include "cli/spell.h"
#include "cli/units.h"
#include "exporters/text.h"

namespace netpoll::cli {
namespace {

using std::chrono::steady_clock;
using workload::Failure;
using workload::Plan;

// How long a step waits for something to happen.
constexpr std::chrono::milliseconds kStep{200};

// One run. Members are what the phases hand to each other.
class Runner {
 public:
  Runner(const Plan& plan, Interrupt& interrupt, Log& log, Crew crew)
      : plan_(plan), interrupt_(interrupt), log_(log), crew_(std::move(crew)) {}

  Result<RunOutcome> run() {
    for (const auto phase : {&Runner::start_server, &Runner::await_listening, &Runner::drive, &Runner::finish_server}) {
      if (auto ok = (this->*phase)(); !ok) return std::move(ok).error();
    }
    outcome_.interrupted = interrupt_.requested();
    return std::move(outcome_);
  }

 private:
  Result<void> start_server() {
    auto started = crew_.start(Role::kServer,
                               [&](int control, int report) { return workload::serve_args(plan_, control, report); });
    if (!started) return started;
    outcome_.started_at = std::chrono::system_clock::now();
    outcome_.probe = crew_.probe();
    return {};
  }

  Result<void> await_listening() {
    deadline_ = steady_clock::now() + kPatience;
    while (!listening_) {
      if (interrupt_.requested()) return {};
      if (auto ok = step("the server did not get ready"); !ok) return ok;
    }
    // While it lives: later there is nothing left to look at.
    if (auto target = crew_.describe_server()) outcome_.target = std::move(*target);
    const std::string where = listening_->addresses.empty() ? "" : ", listening on " + joined(listening_->addresses);
    const std::string who = "server: pid " + std::to_string(crew_.pid(Role::kServer)) + where;
    if (plan_.serve_only || plan_.duration.count() > 0) {
      log_.answer(who);
    } else {
      log_.detail(who);
    }
    outcome_.addresses = listening_->addresses;
    return {};
  }

  // Until the operations are done, the time is up, or somebody interrupts.
  Result<void> drive() {
    if (!listening_) return {};
    if (plan_.has_load()) return drive_load();
    const bool timed = plan_.serve_only && plan_.duration.count() > 0;
    const auto end = steady_clock::now() + plan_.duration;
    while (!outcome_.server && !interrupt_.requested() && !(timed && steady_clock::now() >= end)) {
      deadline_ = timed ? end : steady_clock::time_point::max();
      if (auto ok = step(""); !ok) return ok;
    }
    return {};
  }

  Result<void> drive_load() {
    auto started = crew_.start(Role::kLoad, [&](int control, int report) {
      return workload::load_args(plan_, listening_->addresses, crew_.pid(Role::kServer), control, report);
    });
    if (!started) return started;
    deadline_ = steady_clock::time_point::max();
    bool stopped = false;
    while (!outcome_.load) {
      if (interrupt_.requested() && !stopped) {
        log_.note("stopping; again Ctrl-C ends at once");
        crew_.stop(Role::kLoad);
        stopped = true;
        deadline_ = steady_clock::now() + kPatienceAfterInterrupt;
      }
      if (auto ok = step("the load generator did not stop"); !ok) return ok;
    }
    log_.clear_progress();
    return {};
  }

  Result<void> finish_server() {
    crew_.stop(Role::kServer);
    deadline_ = steady_clock::now() + (interrupt_.requested() ? kPatienceAfterInterrupt : kPatience);
    while (!server_at_end_) {
      if (auto ok = step("the server did not stop"); !ok) return ok;
    }
    const auto how = crew_.ending(Role::kServer, kPatience);
    if (!how) return how.error();
    if (!outcome_.server && !interrupt_.requested()) {
      return Error(ErrorKind::kSystem, "the server " + how->value_or("does not end"));
    }
    auto counts = crew_.stop_counting(outcome_.probe);
    if (!counts) return std::move(counts).error();
    outcome_.counts = std::move(*counts);
    use_own_counters();
    return {};
  }

  // The runtime's own counters say what a back end without USDT cannot see, and what one with it has missed: they are
  // read before the process exits, so a probe that saw everything has seen at least as much.
  void use_own_counters() {
    if (!outcome_.server || outcome_.probe.backend == probes::Backend::kNone) return;
    for (std::size_t i = 0; i < trace::kTpCount; ++i) {
      auto& count = outcome_.counts.tracepoints[i];
      const auto own = outcome_.server->tracepoints.find(std::string(trace::tracepoints()[i].name));
      if (own == outcome_.server->tracepoints.end()) continue;
      if (!count) {
        count = own->second;
      } else if (*count < own->second) {
        log_.detail("tracepoint " + own->first + ": the probe saw " + std::to_string(*count) + " of " +
                    std::to_string(own->second));
        outcome_.probe.lost = outcome_.probe.lost.value_or(0) + own->second - *count;
      }
    }
    if (outcome_.probe.backend == probes::Backend::kSelf) outcome_.probe.lost = 0;
  }

  // Waits for the next thing to happen and takes what the workers have to say. Fails with `late` when deadline_ has
  // passed, and when a worker failed or is gone too early.
  Result<void> step(const std::string& late) {
    const auto left = deadline_ - steady_clock::now();
    if (left.count() <= 0 && !late.empty()) {
      return Error(ErrorKind::kTimeout, late).with_hint("is the machine overloaded?");
    }
    const auto longest = std::clamp<std::chrono::nanoseconds>(left, std::chrono::nanoseconds(0), kStep);
    const auto reports = crew_.listen(std::chrono::ceil<std::chrono::milliseconds>(longest));
    if (!reports) return reports.error();
    for (const Report& report : *reports) {
      auto heard = report.role == Role::kServer ? hear_server(report) : hear_load(report);
      if (!heard) return heard;
    }
    return {};
  }

  Result<void> hear_server(const Report& report) {
    if (!report.line) {
      server_at_end_ = true;
      return outcome_.server || interrupt_.requested() ? Result<void>() : died(Role::kServer);
    }
    auto message = workload::parse_server_line(*report.line);
    if (!message) return std::move(message).error().within("the server's report");
    if (!*message) return {};
    if (const auto* failure = std::get_if<Failure>(&**message)) return error_of(*failure);
    if (auto* listening = std::get_if<workload::Listening>(&**message)) listening_ = std::move(*listening);
    if (auto* result = std::get_if<workload::ServerResult>(&**message)) outcome_.server = std::move(*result);
    return {};
  }

  Result<void> hear_load(const Report& report) {
    if (!report.line) return outcome_.load ? Result<void>() : died(Role::kLoad);
    auto message = workload::parse_load_line(*report.line);
    if (!message) return std::move(message).error().within("the load generator's report");
    if (!*message) return {};
    if (const auto* failure = std::get_if<Failure>(&**message)) return load_failed(*failure);
    if (const auto* progress = std::get_if<workload::Progress>(&**message)) show(*progress);
    if (auto* result = std::get_if<workload::LoadResult>(&**message)) outcome_.load = std::move(*result);
    return {};
  }

  // A worker that is gone too early.
  Error died(Role role) {
    const auto how = crew_.ending(role, kPatience);
    if (!how) return how.error();
    Error error(ErrorKind::kSystem,
                std::string(role_name(role)) + " " + how->value_or("closed its report") + " in the middle of the run");
    if (role == Role::kServer) return std::move(error).with_hint("its own message, if it had one, stands above");
    return error;
  }

  // A server that dies takes its connections along, and the load generator may be the first to notice.
  Error load_failed(const Failure& failure) {
    if (!outcome_.server) {
      const auto how = crew_.ending(Role::kServer, std::chrono::milliseconds(200));
      if (how && *how) return died(Role::kServer);
    }
    return error_of(failure);
  }

  void show(const workload::Progress& progress) {
    std::string text = std::string(plan_.workload->name) + ": " + exporters::grouped(progress.operations);
    if (plan_.ops > 0) text += " of " + exporters::grouped(plan_.ops);
    text += " operations";
    const auto elapsed =
        std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::nanoseconds(progress.elapsed_ns));
    text += ", " + exporters::fixed(static_cast<double>(elapsed.count()) / 1000, 1);
    text += plan_.duration.count() > 0 ? " of " + duration_text(plan_.duration) : " s";
    log_.progress(text);
  }

  const Plan& plan_;
  Interrupt& interrupt_;
  Log& log_;
  Crew crew_;
  std::optional<workload::Listening> listening_;
  RunOutcome outcome_;
  steady_clock::time_point deadline_ = steady_clock::time_point::max();
  bool server_at_end_ = false;
};

}  // namespace

Result<RunOutcome> run_plan(const Plan& plan, probes::Backend backend, Interrupt& interrupt, Log& log) {
  auto crew = Crew::gather(backend, interrupt, log);
  if (!crew) return std::move(crew).error();
  return Runner(plan, interrupt, log, std::move(*crew)).run();
}

}  // namespace netpoll::cli
