// The steps of one run where no probe looks on, so that workers are started whole; what they say comes from threads.
#include <utility>

#include "cli/host.h"
#include "cli/run/runner.h"
#include "cli/run/worker_process.h"
#include "cli/spell.h"
#include "exporters/text.h"

namespace netpoll::cli {
namespace {

using std::chrono::steady_clock;
using workload::Failure;
using workload::Plan;

// How often an interrupt is looked for.
constexpr std::chrono::milliseconds kLook{100};

std::string ending(WorkerProcess& worker) { return worker.ending(kPatience).value_or("closed its report"); }

// One run. Members are what the phases hand to each other; the destructors of the workers leave no process behind.
class Runner {
 public:
  Runner(const Plan& plan, Interrupt& interrupt, Log& log) : plan_(plan), interrupt_(interrupt), log_(log) {}

  Result<RunOutcome> run(probes::Backend backend) {
    // The server's own counters are all there is.
    outcome_.probe.backend = backend == probes::Backend::kAuto ? probes::Backend::kSelf : backend;
    if (outcome_.probe.backend != probes::Backend::kSelf && outcome_.probe.backend != probes::Backend::kNone) {
      return Error(ErrorKind::kNotSupported,
                   "the back end " + std::string(probes::backend_name(backend)) + " is not on " + this_host().system)
          .with_hint("--backend self counts by libruntime's own counters");
    }
    for (const auto phase : {&Runner::start_server, &Runner::drive, &Runner::finish_server}) {
      if (auto ok = (this->*phase)(); !ok) return std::move(ok).error();
    }
    outcome_.interrupted = interrupt_.requested();
    return std::move(outcome_);
  }

 private:
  Result<void> start_server() {
    outcome_.started_at = std::chrono::system_clock::now();
    auto started = server_.start([&](int control, int report) { return workload::serve_args(plan_, control, report); },
                                 /*of_server=*/true, mailbox_);
    if (!started) return std::move(started).error().within("start the server");
    deadline_ = steady_clock::now() + kPatience;
    while (!listening_ && !interrupt_.requested()) {
      if (auto ok = step("the server did not get ready"); !ok) return ok;
    }
    const std::string exe = own_path();
    outcome_.target.pid = server_.pid();
    outcome_.target.exe = exe;
    outcome_.target.comm = exe.substr(exe.find_last_of("\\/") + 1);
    outcome_.target.kind = "libruntime";
    if (!listening_) return {};
    outcome_.addresses = listening_->addresses;
    const std::string where = outcome_.addresses.empty() ? "" : ", listening on " + joined(outcome_.addresses);
    const std::string who = "server: pid " + std::to_string(server_.pid()) + where;
    if (plan_.serve_only || plan_.duration.count() > 0) {
      log_.answer(who);
    } else {
      log_.detail(who);
    }
    return {};
  }

  // Until the operations are done, the time is up, or somebody interrupts.
  Result<void> drive() {
    if (!listening_) return {};
    if (plan_.has_load()) return drive_load();
    const bool timed = plan_.serve_only && plan_.duration.count() > 0;
    const auto end = steady_clock::now() + plan_.duration;
    deadline_ = steady_clock::time_point::max();
    while (!outcome_.server && !interrupt_.requested() && !(timed && steady_clock::now() >= end)) {
      if (auto ok = step(""); !ok) return ok;
    }
    return {};
  }

  Result<void> drive_load() {
    auto started = load_.start(
        [&](int control, int report) {
          return workload::load_args(plan_, listening_->addresses, server_.pid(), control, report);
        },
        /*of_server=*/false, mailbox_);
    if (!started) return std::move(started).error().within("start the load generator");
    deadline_ = steady_clock::time_point::max();
    bool stopped = false;
    while (!outcome_.load) {
      if (interrupt_.requested() && !stopped) {
        log_.note("stopping; again Ctrl-C ends at once");
        load_.stop();
        stopped = true;
        deadline_ = steady_clock::now() + kPatienceAfterInterrupt;
      }
      if (auto ok = step("the load generator did not stop"); !ok) return ok;
    }
    log_.clear_progress();
    return {};
  }

  Result<void> finish_server() {
    server_.stop();
    deadline_ = steady_clock::now() + (interrupt_.requested() ? kPatienceAfterInterrupt : kPatience);
    finishing_ = true;
    while (!server_at_end_) {
      if (auto ok = step("the server did not stop"); !ok) return ok;
    }
    if (!outcome_.server && !interrupt_.requested()) {
      return Error(ErrorKind::kSystem, "the server " + ending(server_) + " without a result");
    }
    if (outcome_.server && outcome_.probe.backend == probes::Backend::kSelf) {
      for (std::size_t i = 0; i < trace::kTpCount; ++i) {
        const auto own = outcome_.server->tracepoints.find(std::string(trace::tracepoints()[i].name));
        if (own != outcome_.server->tracepoints.end()) outcome_.counts.tracepoints[i] = own->second;
      }
      outcome_.probe.lost = 0;
    }
    return {};
  }

  // Waits for the next report, for a moment, and takes it. Fails with `late` when deadline_ has passed, and when a
  // worker failed or is gone too early.
  Result<void> step(const std::string& late) {
    if (!late.empty() && steady_clock::now() >= deadline_) {
      return Error(ErrorKind::kTimeout, late).with_hint("is the machine overloaded?");
    }
    const auto report = mailbox_.take(kLook);
    if (!report) return {};
    if (report->of_server) return report->line ? hear_server(*report->line) : end_of_server();
    return report->line ? hear_load(*report->line) : end_of_load();
  }

  Result<void> hear_server(const std::string& line) {
    auto message = workload::parse_server_line(line);
    if (!message) return std::move(message).error().within("the server's report");
    if (!*message) return {};
    if (const auto* failure = std::get_if<Failure>(&**message)) return error_of(*failure);
    if (auto* listening = std::get_if<workload::Listening>(&**message)) listening_ = std::move(*listening);
    if (auto* result = std::get_if<workload::ServerResult>(&**message)) outcome_.server = std::move(*result);
    return {};
  }

  Result<void> end_of_server() {
    server_at_end_ = true;
    if (finishing_ || outcome_.server || interrupt_.requested()) return {};
    return Error(ErrorKind::kSystem, "the server " + ending(server_) + " in the middle of the run")
        .with_hint("its own message, if it had one, stands above");
  }

  Result<void> hear_load(const std::string& line) {
    auto message = workload::parse_load_line(line);
    if (!message) return std::move(message).error().within("the load generator's report");
    if (!*message) return {};
    if (const auto* failure = std::get_if<Failure>(&**message)) return error_of(*failure);
    if (const auto* progress = std::get_if<workload::Progress>(&**message)) {
      log_.progress(std::string(plan_.workload->name) + ": " + exporters::grouped(progress->operations) +
                    " operations");
    }
    if (auto* result = std::get_if<workload::LoadResult>(&**message)) outcome_.load = std::move(*result);
    return {};
  }

  Result<void> end_of_load() {
    if (outcome_.load) return {};
    return Error(ErrorKind::kSystem, "the load generator " + ending(load_) + " in the middle of the run");
  }

  const Plan& plan_;
  Interrupt& interrupt_;
  Log& log_;
  Mailbox mailbox_;  // outlives the workers
  WorkerProcess server_;
  WorkerProcess load_;
  std::optional<workload::Listening> listening_;
  RunOutcome outcome_;
  steady_clock::time_point deadline_ = steady_clock::time_point::max();
  bool finishing_ = false;
  bool server_at_end_ = false;
};

}  // namespace

Result<RunOutcome> run_plan(const Plan& plan, probes::Backend backend, Interrupt& interrupt, Log& log) {
  Runner runner(plan, interrupt, log);
  return runner.run(backend);
}

}  // namespace netpoll::cli
