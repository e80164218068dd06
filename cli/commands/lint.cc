// lint: what running programs do wrong with their pollers.
#include <algorithm>
#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <tuple>
#include <utility>

#include "cli/command.h"
#include "cli/documents/lint.h"
#include "cli/emit.h"
#include "cli/epoll/look.h"
#include "cli/options.h"
#include "exporters/json.h"
#include "probes/goroutines/reader.h"

namespace netpoll::cli {
namespace {

struct Options {
  ProcessOptions process;
  OutputOptions output;
  bool errors_only = false;
};

// How often a goroutine is seen to wait for what its poller does not watch before that is said, and the time between.
constexpr int kLooks = 3;
constexpr std::chrono::milliseconds kBetweenLooks{20};

// Puts into runtime.unwatched those that still wait for the same at further looks: a connection that is new, or was
// closed and made anew, has another address, or is registered by then. Their stacks say what they wait for, so that the
// snapshot becomes one with stacks where there are any.
Result<void> confirm_unwatched(probes::Reader& reader, LintedRuntime& runtime) {
  const auto unknown_to_poller = [](const trace::Goroutine& g) {
    return g.io_wait && (g.fd_source == trace::FdSource::kNone || g.fd_source == trace::FdSource::kStack);
  };
  const auto& goroutines = runtime.snapshot.goroutines;
  if (std::none_of(goroutines.begin(), goroutines.end(), unknown_to_poller)) return {};
  using Waits = std::map<std::uint64_t, std::tuple<int, std::string, std::string>>;  // by goid
  Waits lost;
  for (int look = 0; look < kLooks; ++look) {
    if (look > 0) std::this_thread::sleep_for(kBetweenLooks);
    auto snapshot = reader.read({});
    if (!snapshot) return std::move(snapshot).error();
    const auto pollers = probes::read_interest_sets(runtime.pid, probes::Ends::kBoth);
    if (!pollers) return pollers.error();
    Waits seen;
    for (const trace::Goroutine* g : find_unwatched(*snapshot, runtime.pid, pollers->sets)) {
      const auto what = std::make_tuple(*g->fd, g->local, g->peer);
      const auto before = lost.find(g->goid);
      if (look == 0 || (before != lost.end() && before->second == what)) seen.emplace(g->goid, what);
    }
    runtime.snapshot = std::move(*snapshot);
    lost = std::move(seen);
    if (lost.empty()) return {};
  }
  for (const auto& [goid, what] : lost) runtime.unwatched.push_back(goid);
  return {};
}

// The goroutines of a process that has any. Its memory may be out of reach where its registrations are not: then
// `notes` says so.
Result<void> read_goroutines(pid_t pid, std::vector<LintedRuntime>& runtimes, std::vector<std::string>& notes) {
  const auto leave_out = [&](const Error& error) -> Result<void> {
    if (error.is(ErrorKind::kNotFound)) return error;
    notes.push_back("goroutines of pid " + std::to_string(pid) + " were not looked at: " + error.message());
    return {};
  };
  auto subject = probes::make_live_subject(pid);
  if (!subject) return leave_out(subject.error());
  for (const probes::ReaderRow& row : probes::reader_rows()) {
    auto reader = row.attach(**subject);
    if (!reader) return leave_out(reader.error());
    if (*reader == nullptr) continue;
    auto snapshot = (*reader)->read({.stacks = false});
    if (!snapshot) return leave_out(snapshot.error());
    LintedRuntime runtime{pid, std::move(*snapshot), {}};
    if (auto confirmed = confirm_unwatched(**reader, runtime); !confirmed) return leave_out(confirmed.error());
    runtimes.push_back(std::move(runtime));
    return {};
  }
  return {};
}

Result<ExitStatus> run(const Options& options, Invocation& invocation) {
  const auto pids = find_processes(options.process);
  if (!pids) return pids.error();
  if (pids->empty()) {
    return Error(ErrorKind::kInvalid, "lint needs a process")
        .with_hint("netpoll-trace lint -p PID, or --comm NAME for every process of that name");
  }
  auto out = Emitter::open(options.output, exporters::Content::kResult, invocation.color);
  if (!out) return out.error();
  auto view = look_at_interest_sets(*pids);
  if (!view) return view.error();
  std::vector<LintedRuntime> runtimes;
  std::vector<std::string> notes;
  for (const pid_t pid : *pids) {
    if (auto read = read_goroutines(pid, runtimes, notes); !read) return std::move(read).error();
  }
  const bool partly = !notes.empty();
  const exporters::Json document = lint_document(*view, runtimes, std::move(notes), options.errors_only);
  if (auto done = out->result(document); !done) return std::move(done).error();
  if (!document["findings"].empty()) return ExitStatus::kNo;
  return partly && options.output.strict ? ExitStatus::kIncomplete : ExitStatus::kDone;
}

Action add(Flags& flags) {
  auto options = std::make_shared<Options>();
  add_process_options(flags, options->process, /*several=*/true);
  flags.on_off("--errors-only", options->errors_only, {"Output", "", "Leave out what only may do harm"});
  add_output_options(flags, options->output, exporters::Content::kResult, /*strict_too=*/true);
  return [options](Invocation& invocation) { return run(*options, invocation); };
}

}  // namespace

const Command lint_command{
    .name = "lint",
    .summary = "finds misuse of the poller in a running process, and says how to mend it",
    .usage = "(-p PID... | --comm NAME) [options]",
    .description =
        "Looks at the epoll instances of running programs, as epoll does, and at the goroutines of those that have "
        "any: registrations that outlived their descriptor, blocking descriptors, interest that always fires, data "
        "that nobody reads, herds on one listener; registrations of a runtime that somebody else's epoll_ctl touched, "
        "and descriptors closed behind its back. Each finding has a rule, a level (an error does harm, a warning may), "
        "what was seen, and what to do about it. The exit status is 1 when there is any.",
    .examples =
        "netpoll-trace lint -p 4711\n"
        "netpoll-trace lint --comm nginx --errors-only\n"
        "netpoll-trace lint -p 4711 --json | jq -r '.findings[] | [.rule, .fd, .evidence] | @tsv'",
    .takes_program = false,
    .add = add,
};

}  // namespace netpoll::cli
