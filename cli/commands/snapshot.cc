// snapshot: the goroutines of a live process.
#include <memory>

#include "cli/command.h"
#include "cli/documents/snapshot.h"
#include "cli/emit.h"
#include "cli/options.h"
#include "cli/units.h"
#include "probes/goroutines/reader.h"

namespace netpoll::cli {
namespace {

struct Options {
  ProcessOptions process;
  OutputOptions output;
  GoroutineFilter filter;
  std::string min_wait;
  std::string fd;
  std::string retries;
  bool pause = false;
};

Result<pid_t> one_process(const ProcessOptions& options) {
  const auto pids = find_processes(options);
  if (!pids) return pids.error();
  if (pids->empty()) {
    return Error(ErrorKind::kInvalid, "snapshot needs a process")
        .with_hint("netpoll-trace snapshot -p PID, or --comm NAME");
  }
  if (pids->size() > 1) {
    return Error(ErrorKind::kInvalid, "snapshot looks at one process, not " + std::to_string(pids->size()))
        .with_hint("choose one: -p " + std::to_string(pids->front()));
  }
  return pids->front();
}

Result<ExitStatus> run(const Options& options, Invocation& invocation) {
  GoroutineFilter filter = options.filter;
  const auto min_wait = optional_duration(options.min_wait, "--min-wait");
  if (!min_wait) return min_wait.error();
  filter.min_wait = *min_wait;
  if (!options.fd.empty()) {
    const auto fd = parse_integer(options.fd, "--fd", 0, 1'073'741'816);  // fs.nr_open cannot be larger
    if (!fd) return fd.error();
    filter.fd = static_cast<int>(*fd);
  }
  probes::ReadOptions reading;
  reading.pause = options.pause;
  if (!options.retries.empty()) {
    const auto retries = parse_integer(options.retries, "--retries", 0, 1000);
    if (!retries) return retries.error();
    reading.retries = static_cast<int>(*retries);
  }
  const auto pid = one_process(options.process);
  if (!pid) return pid.error();
  auto out = Emitter::open(options.output, exporters::Content::kResult, invocation.color);
  if (!out) return out.error();

  auto target = probes::describe_target(*pid);
  if (!target) return std::move(target).error();
  const auto taken_at = std::chrono::system_clock::now();
  auto subject = probes::make_live_subject(*pid);
  if (!subject) return std::move(subject).error();
  auto reader = probes::attach_reader(**subject);
  if (!reader) return std::move(reader).error();
  const auto snapshot = (*reader)->read(reading);
  if (!snapshot) return snapshot.error();
  for (const std::string& warning : snapshot->warnings) invocation.log.warning(warning);
  const exporters::Json document = snapshot_document(*snapshot, *target, taken_at, filter);
  if (auto done = out->result(document); !done) return std::move(done).error();
  if (snapshot->inconsistent == 0) return ExitStatus::kDone;
  invocation.log.warning(std::to_string(snapshot->inconsistent) + " goroutines kept moving while they were read");
  return options.output.strict ? ExitStatus::kIncomplete : ExitStatus::kDone;
}

Action add(Flags& flags) {
  auto options = std::make_shared<Options>();
  add_process_options(flags, options->process, /*several=*/false);
  const char* group = "Which goroutines";
  flags.on_off("--all", options->filter.all, {group, "", "In whatever state, not only in IO wait"});
  flags.text("--min-wait", options->min_wait, {group, "TIME", "Waiting at least TIME"});
  flags.text("--fd", options->fd, {group, "FD", "Waiting for this descriptor"});
  flags.text("--peer", options->filter.peer, {group, "TEXT", "Whose peer's address contains TEXT"});
  flags.text("--func", options->filter.function, {group, "TEXT", "Whose function, or creator, contains TEXT"});
  flags.on_off("--no-deadline", options->filter.no_deadline, {group, "", "In an IO wait that no deadline bounds"});
  group = "How it is read";
  flags.on_off("--pause", options->pause, {group, "", "Stop a Go program while its memory is copied"});
  flags.text("--retries", options->retries, {group, "N", "Read what moved again, up to N times (4)"});
  add_output_options(flags, options->output, exporters::Content::kResult, /*strict_too=*/true);
  return [options](Invocation& invocation) { return run(*options, invocation); };
}

}  // namespace

const Command snapshot_command{
    .name = "snapshot",
    .summary = "lists the goroutines of a live process that wait for I/O",
    .usage = "-p PID [options]",
    .description =
        "Reads the goroutines of a running libruntime or Go program from its memory: what each waits for and how long, the "
        "descriptor, its addresses and TCP state, and the function. The target keeps running and needs no symbols; the "
        "output says whether everything in it belongs together.",
    .examples =
        "netpoll-trace snapshot -p 4711\n"
        "netpoll-trace snapshot -p 4711 --min-wait 30s --no-deadline\n"
        "netpoll-trace snapshot -p 4711 --json | jq -r '.goroutines[] | select(.wait_ns > 30e9) | "
        "[.goid, .fd, .peer] | @tsv'",
    .takes_program = false,
    .add = add,
};

}  // namespace netpoll::cli
