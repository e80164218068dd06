// The steps of one run, from the start of the server to the last report.
#include "cli/run/runner.h"

#include <csignal>
#include <cstring>

#include "cli/run/worker.h"
#include "cli/spell.h"
#include "cli/units.h"
#include "cli/wake_set.h"
#include "exporters/text.h"
#include "probes/session.h"

namespace netpoll::cli {
namespace {

using std::chrono::steady_clock;
using workload::Failure;
using workload::Plan;

std::string ending(const probes::ChildExit& status) {
  if (status.signal != 0) return std::string("was killed by ") + ::strsignal(status.signal);
  return "ended with exit status " + std::to_string(status.code);
}

// One run. Members are what the phases hand to each other; the destructors of the workers leave no process behind.
class Runner {
 public:
  Runner(const Plan& plan, Interrupt& interrupt, Log& log, WakeSet wake)
      : plan_(plan), interrupt_(interrupt), log_(log), wake_(std::move(wake)) {}

  Result<RunOutcome> run(probes::Backend backend) {
    backend_ = backend;
    if (auto ok = wake_.add(interrupt_.fd()); !ok) return ok.error();
    for (const auto phase : {&Runner::start_server, &Runner::await_listening, &Runner::drive, &Runner::finish_server}) {
      if (auto ok = (this->*phase)(); !ok) return std::move(ok).error();
    }
    outcome_.interrupted = interrupt_.requested();
    return std::move(outcome_);
  }

 private:
  // Whether anything observes the server from outside.
  bool probed() const { return session_->backend() != probes::Backend::kNone; }

  Result<void> start_server() {
    // The server reports its runtime's own counters itself, exactly, as it ends; who looks from outside sees less.
    const bool own = backend_ == probes::Backend::kSelf;
    auto session = probes::Session::choose(own ? probes::Backend::kNone : backend_, {.held = true});
    if (!session) return std::move(session).error();
    session_.emplace(std::move(*session));
    outcome_.probe = probe_info(*session_, log_);
    if (own) outcome_.probe.backend = backend_;
    auto server = Worker::launch([&](int control, int report) { return workload::serve_args(plan_, control, report); },
                                 &*session_);
    if (!server) return std::move(server).error().within("start the server");
    server_.emplace(std::move(*server));
    if (auto ok = session_->attach({server_->child().pid(), /*held=*/true, /*follow_forks=*/false, self_exe()}); !ok) {
      return std::move(ok).error().within("attach to the server");
    }
    if (probed()) outcome_.probe.overhead_note = session_->overhead_note();
    outcome_.started_at = std::chrono::system_clock::now();
    if (auto ok = server_->child().resume(); !ok) return std::move(ok).error().within("start the server");
    return wake_.add(server_->report_fd());
  }

  Result<void> await_listening() {
    deadline_ = steady_clock::now() + kPatience;
    while (!listening_) {
      if (interrupt_.requested()) {
        server_->stop();
        return {};
      }
      if (auto ok = step("the server did not get ready"); !ok) return ok;
    }
    // While it lives: later there is nothing left to look at.
    if (auto target = probes::describe_target(server_->child().pid())) outcome_.target = std::move(*target);
    const std::string where = listening_->addresses.empty() ? "" : ", listening on " + joined(listening_->addresses);
    const std::string who = "server: pid " + std::to_string(server_->child().pid()) + where;
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
    auto load = Worker::launch(
        [&](int control, int report) {
          return workload::load_args(plan_, listening_->addresses, server_->child().pid(), control, report);
        },
        nullptr);
    if (!load) return std::move(load).error().within("start the load generator");
    load_.emplace(std::move(*load));
    if (auto ok = load_->child().resume(); !ok) return std::move(ok).error().within("start the load generator");
    if (auto ok = wake_.add(load_->report_fd()); !ok) return ok;

    deadline_ = steady_clock::time_point::max();
    bool stopped = false;
    while (!outcome_.load) {
      if (interrupt_.requested() && !stopped) {
        log_.note("stopping; again Ctrl-C ends at once");
        load_->stop();
        stopped = true;
        deadline_ = steady_clock::now() + kPatienceAfterInterrupt;
      }
      if (auto ok = step("the load generator did not stop"); !ok) return ok;
    }
    log_.clear_progress();
    wake_.remove(load_->report_fd());
    return {};
  }

  Result<void> finish_server() {
    server_->stop();
    deadline_ = steady_clock::now() + (interrupt_.requested() ? kPatienceAfterInterrupt : kPatience);
    interrupt_seen_ = true;
    while (!server_->at_end()) {
      if (auto ok = step("the server did not stop"); !ok) return ok;
    }
    wake_.remove(server_->report_fd());
    auto status = server_->child().wait(static_cast<int>(std::chrono::milliseconds(kPatience).count()));
    if (!status) return std::move(status).error();
    if (!outcome_.server && !interrupt_.requested()) {
      return Error(ErrorKind::kSystem, "the server " + (*status ? ending(**status) : std::string("does not end")));
    }
    auto counts = session_->stop();
    if (!counts) return std::move(counts).error();
    outcome_.counts = *counts;
    if (probed()) put_losses(outcome_.probe, *counts);
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
    const auto longest = std::chrono::milliseconds(200);
    const auto timeout = std::clamp<std::chrono::nanoseconds>(left, std::chrono::nanoseconds(0), longest);
    const int timeout_ms = static_cast<int>((timeout.count() + 999'999) / 1'000'000);
    if (interrupt_seen_) wake_.remove(interrupt_.fd());
    if (auto waited = session_->wait(timeout_ms, wake_.fd()); !waited) {
      return std::move(waited).error().within("observe the server");
    }
    if (interrupt_.requested()) interrupt_seen_ = true;  // its descriptor stays readable: stop listening to it
    if (auto ok = hear_server(); !ok) return ok;
    return load_ ? hear_load() : Result<void>();
  }

  Result<void> hear_server() {
    auto lines = server_->lines();
    if (!lines) return std::move(lines).error();
    for (const std::string& line : *lines) {
      auto message = workload::parse_server_line(line);
      if (!message) return std::move(message).error().within("the server's report");
      if (!*message) continue;
      if (const auto* failure = std::get_if<Failure>(&**message)) return error_of(*failure);
      if (auto* listening = std::get_if<workload::Listening>(&**message)) listening_ = std::move(*listening);
      if (auto* result = std::get_if<workload::ServerResult>(&**message)) outcome_.server = std::move(*result);
    }
    if (server_->at_end() && !outcome_.server && !interrupt_.requested()) {
      auto status = server_->child().wait(static_cast<int>(std::chrono::milliseconds(kPatience).count()));
      if (!status) return std::move(status).error();
      return server_died(*status ? ending(**status) : "closed its report");
    }
    return {};
  }

  static Error server_died(const std::string& how) {
    return Error(ErrorKind::kSystem, "the server " + how + " in the middle of the run")
        .with_hint("its own message, if it had one, stands above");
  }

  Result<void> hear_load() {
    auto lines = load_->lines();
    if (!lines) return std::move(lines).error();
    for (const std::string& line : *lines) {
      auto message = workload::parse_load_line(line);
      if (!message) return std::move(message).error().within("the load generator's report");
      if (!*message) continue;
      if (const auto* failure = std::get_if<Failure>(&**message)) return load_failed(*failure);
      if (const auto* progress = std::get_if<workload::Progress>(&**message)) show(*progress);
      if (auto* result = std::get_if<workload::LoadResult>(&**message)) outcome_.load = std::move(*result);
    }
    if (load_->at_end() && !outcome_.load) {
      auto status = load_->child().wait(static_cast<int>(std::chrono::milliseconds(kPatience).count()));
      if (!status) return std::move(status).error();
      return Error(ErrorKind::kSystem, "the load generator " + (*status ? ending(**status) : "closed its report") +
                                           " in the middle of the run");
    }
    return {};
  }

  // A server that dies takes its connections along, and the load generator may be the first to notice.
  Error load_failed(const Failure& failure) {
    if (!outcome_.server) {
      const auto status = server_->child().wait(/*timeout_ms=*/200);
      if (status && *status) return server_died(ending(**status));
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
  WakeSet wake_;
  probes::Backend backend_ = probes::Backend::kAuto;
  std::optional<probes::Session> session_;
  std::optional<Worker> server_;
  std::optional<Worker> load_;
  std::optional<workload::Listening> listening_;
  RunOutcome outcome_;
  steady_clock::time_point deadline_ = steady_clock::time_point::max();
  bool interrupt_seen_ = false;
};

}  // namespace

Result<RunOutcome> run_plan(const Plan& plan, probes::Backend backend, Interrupt& interrupt, Log& log) {
  auto wake = WakeSet::create();
  if (!wake) return std::move(wake).error();
  Runner runner(plan, interrupt, log, std::move(*wake));
  return runner.run(backend);
}

}  // namespace netpoll::cli
