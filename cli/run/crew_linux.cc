// A crew whose server probes look at: both workers are held before their exec, and one wait is for all of them.
#include "cli/run/crew.h"

#include <cstring>
#include <utility>

#include "cli/run/worker.h"
#include "cli/system/wake_set.h"
#include "probes/session.h"

namespace netpoll::cli {
namespace {

std::string how_ended(const probes::ChildExit& status) {
  if (status.signal != 0) return std::string("was killed by ") + ::strsignal(status.signal);
  return "ended with exit status " + std::to_string(status.code);
}

struct Member {
  std::optional<Worker> worker;
  bool at_end = false;  // that its report is at its end was said
};

}  // namespace

struct Crew::State {
  Interrupt& interrupt;
  WakeSet wake;
  probes::Session session;
  ProbeInfo probe;
  std::array<Member, kRoles.size()> members{};
  bool interrupt_seen = false;

  Member& member(Role role) { return members[static_cast<std::size_t>(role)]; }
  Worker& worker(Role role) { return *member(role).worker; }
  // Whether anything observes the server from outside.
  bool probed() const { return session.backend() != probes::Backend::kNone; }
};

Crew::Crew(std::unique_ptr<State> state) : state_(std::move(state)) {}
Crew::Crew(Crew&&) noexcept = default;
Crew::~Crew() = default;

Result<Crew> Crew::gather(probes::Backend backend, Interrupt& interrupt, Log& log) {
  auto wake = WakeSet::create();
  if (!wake) return std::move(wake).error();
  if (auto ok = wake->add(interrupt.fd()); !ok) return std::move(ok).error();
  // The server reports its runtime's own counters itself, exactly, as it ends; who looks from outside sees less.
  const bool own = backend == probes::Backend::kSelf;
  auto session = probes::Session::choose(own ? probes::Backend::kNone : backend, {.held = true});
  if (!session) return std::move(session).error();
  ProbeInfo probe = probe_info(*session, log);
  if (own) probe.backend = backend;
  return Crew(std::unique_ptr<State>(new State{interrupt, std::move(*wake), std::move(*session), std::move(probe)}));
}

Result<void> Crew::start(Role role, const WorkerArguments& arguments) {
  const bool observed = role == Role::kServer;
  const std::string what = std::string("start ") + role_name(role);
  auto worker = Worker::launch(arguments, observed ? &state_->session : nullptr);
  if (!worker) return std::move(worker).error().within(what);
  probes::Child& child = state_->member(role).worker.emplace(std::move(*worker)).child();
  if (observed) {
    const probes::Target target{child.pid(), /*held=*/true, /*follow_forks=*/false, self_exe()};
    if (auto ok = state_->session.attach(target); !ok) return std::move(ok).error().within("attach to the server");
    if (state_->probed()) state_->probe.overhead_note = state_->session.overhead_note();
  }
  if (auto ok = child.resume(); !ok) return std::move(ok).error().within(what);
  return state_->wake.add(state_->worker(role).report_fd());
}

int Crew::pid(Role role) const { return state_->worker(role).child().pid(); }
void Crew::stop(Role role) { state_->worker(role).stop(); }

Result<std::optional<std::string>> Crew::ending(Role role, std::chrono::milliseconds longest) {
  auto status = state_->worker(role).child().wait(static_cast<int>(longest.count()));
  if (!status) return std::move(status).error();
  return *status ? std::optional(how_ended(**status)) : std::nullopt;
}

Result<std::vector<Report>> Crew::listen(std::chrono::milliseconds longest) {
  if (state_->interrupt_seen) state_->wake.remove(state_->interrupt.fd());  // it stays readable for good
  if (auto ok = state_->session.wait(static_cast<int>(longest.count()), state_->wake.fd()); !ok) {
    return std::move(ok).error().within("observe the server");
  }
  state_->interrupt_seen = state_->interrupt.requested();
  std::vector<Report> reports;
  for (const Role role : kRoles) {
    Member& member = state_->member(role);
    if (!member.worker || member.at_end) continue;
    auto lines = member.worker->lines();
    if (!lines) return std::move(lines).error();
    for (std::string& line : *lines) reports.push_back({role, std::move(line)});
    if (!member.worker->at_end()) continue;
    state_->wake.remove(member.worker->report_fd());
    member.at_end = true;
    reports.push_back({role, std::nullopt});
  }
  return reports;
}

const ProbeInfo& Crew::probe() const { return state_->probe; }

std::optional<probes::TargetInfo> Crew::describe_server() const {
  auto target = probes::describe_target(pid(Role::kServer));
  return target ? std::optional(std::move(*target)) : std::nullopt;
}

Result<probes::Counts> Crew::stop_counting(ProbeInfo& probe) {
  auto counts = state_->session.stop();
  if (counts && state_->probed()) put_losses(probe, *counts);
  return counts;
}

}  // namespace netpoll::cli
