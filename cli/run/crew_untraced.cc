// A crew that no probe looks at: workers are started whole, and what they say comes from threads.
#include "cli/run/crew.h"

#include <algorithm>
#include <utility>

#include "cli/run/worker_process.h"
#include "cli/system/host.h"

namespace netpoll::cli {
namespace {

// How long an interrupt may go unseen, since nothing wakes who waits for reports.
constexpr std::chrono::milliseconds kBlind{100};

}  // namespace

struct Crew::State {
  ProbeInfo probe;
  Mailbox mailbox{};  // outlives the workers
  std::array<WorkerProcess, kRoles.size()> workers{};

  WorkerProcess& worker(Role role) { return workers[static_cast<std::size_t>(role)]; }
};

Crew::Crew(std::unique_ptr<State> state) : state_(std::move(state)) {}
Crew::Crew(Crew&&) noexcept = default;
Crew::~Crew() = default;

Result<Crew> Crew::gather(probes::Backend backend, Interrupt& /*interrupt*/, Log& /*log*/) {
  auto state = std::make_unique<State>();
  state->probe.backend = backend == probes::Backend::kAuto ? probes::Backend::kSelf : backend;
  if (state->probe.backend != probes::Backend::kSelf && state->probe.backend != probes::Backend::kNone) {
    return Error(ErrorKind::kNotSupported,
                 "the back end " + std::string(probes::backend_name(backend)) + " is not on " + this_host().system)
        .with_hint("--backend self counts by libruntime's own counters");
  }
  return Crew(std::move(state));
}

Result<void> Crew::start(Role role, const WorkerArguments& arguments) {
  auto started = state_->worker(role).start(arguments, role, state_->mailbox);
  if (!started) return std::move(started).error().within(std::string("start ") + role_name(role));
  return {};
}

int Crew::pid(Role role) const { return state_->worker(role).pid(); }
void Crew::stop(Role role) { state_->worker(role).stop(); }

Result<std::optional<std::string>> Crew::ending(Role role, std::chrono::milliseconds longest) {
  return state_->worker(role).ending(longest);
}

Result<std::vector<Report>> Crew::listen(std::chrono::milliseconds longest) {
  std::vector<Report> reports;
  if (auto report = state_->mailbox.take(std::min(longest, kBlind))) reports.push_back(std::move(*report));
  return reports;
}

const ProbeInfo& Crew::probe() const { return state_->probe; }

std::optional<probes::TargetInfo> Crew::describe_server() const {
  const std::string exe = own_path();
  probes::TargetInfo server;
  server.pid = pid(Role::kServer);
  server.exe = exe;
  server.comm = exe.substr(exe.find_last_of("\\/") + 1);
  server.kind = "libruntime";
  return server;
}

Result<probes::Counts> Crew::stop_counting(ProbeInfo& /*probe*/) { return probes::Counts{}; }

}  // namespace netpoll::cli
