// snapshot: the goroutines of a live process, or of one that left a core.
#include <poll.h>

#include <algorithm>
#include <functional>
#include <memory>

#include "cli/command.h"
#include "cli/documents/graph.h"
#include "cli/documents/snapshot.h"
#include "cli/emit.h"
#include "cli/options.h"
#include "cli/snapshot/annotate.h"
#include "cli/snapshot/annotated_text.h"
#include "cli/snapshot/follow.h"
#include "cli/snapshot/looks.h"
#include "cli/snapshot/view_flags.h"
#include "cli/units.h"
#include "probes/goroutines/reader.h"
#include "probes/process/core/core_subject.h"
#include "probes/process/core/saved_descriptors.h"

namespace netpoll::cli {
namespace {

struct Options {
  ProcessOptions process;
  std::string core;
  std::string exe;
  std::string fdinfo;
  std::string save_core_context;
  std::string annotate;
  OutputOptions output;
  ViewFlags view;
  std::string watch;
  bool graph = false;
  bool follow = false;
  bool pause = false;
};

Error no_process(std::string hint) {
  return Error(ErrorKind::kInvalid, "snapshot needs a process").with_hint(std::move(hint));
}

Result<std::vector<pid_t>> some_processes(const ProcessOptions& options) {
  auto pids = find_processes(options);
  if (!pids || !pids->empty()) return pids;
  return no_process("netpoll-trace snapshot -p PID, --comm NAME, or --core FILE of one that died");
}

// what: the flag that takes but one.
Result<pid_t> one_process(const ProcessOptions& options, const std::string& what) {
  const auto pids = some_processes(options);
  if (!pids) return pids.error();
  if (pids->size() > 1) {
    return Error(ErrorKind::kInvalid, what + " takes one process, not " + std::to_string(pids->size()))
        .with_hint("choose one: -p " + std::to_string(pids->front()));
  }
  return pids->front();
}

// Returns when fd is readable or the time is over.
void wait_readable(int fd, std::chrono::nanoseconds time) {
  pollfd p{.fd = fd, .events = POLLIN, .revents = 0};
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(time).count();
  (void)::poll(&p, 1, static_cast<int>(std::clamp<std::int64_t>(ms, 1, 1'000'000'000)));
}

Result<probes::ReadOptions> read_options_of(const Options& options) {
  auto read = read_options_of(options.view);
  if (read) read->pause = options.pause;
  return read;
}

// How often to look: once, or again and again.
Result<std::optional<std::chrono::nanoseconds>> watch_interval(const Options& options) {
  auto every = optional_duration(options.watch, "--watch");
  if (!every || !*every) return every;
  const auto format = format_of(options.output, exporters::Content::kSnapshot);
  if (!format) return format.error();
  if (holds_one(**format) || (*format)->name == "json") {
    return Error(ErrorKind::kInvalid, "--watch gives more than one document")
        .with_hint("-f ndjson, or the table, can hold several");
  }
  return every;
}

// A file that is missing, or not what it was named as, is the caller's mistake. A core that holds what this build
// cannot read is not.
Error of_core(Error error) {
  if (!error.is(ErrorKind::kNotFound) && !error.is(ErrorKind::kProtocol)) return error;
  return Error(ErrorKind::kInvalid, error.message()).with_hint(error.hint());
}

Result<SnapshotSource> open_core(const Options& options, Log& log) {
  const bool live = !options.process.pids.empty() || !options.process.comm.empty();
  if (live || !options.watch.empty() || options.pause) {
    return Error(ErrorKind::kInvalid, "--core excludes -p, --comm, --watch and --pause")
        .with_hint("a core is read once: netpoll-trace snapshot --core FILE [EXE]");
  }
  auto core = probes::make_core_subject(options.core, options.exe, options.fdinfo);
  if (!core) return of_core(std::move(core).error());
  if ((*core)->cut_short()) log.warning(options.core + " is cut off: what is missing cannot be read");
  const probes::TargetInfo target = probes::describe_target(**core);
  return SnapshotSource{.subject = std::move(*core),
                        .describe = [target] { return Result<probes::TargetInfo>(target); }};
}

// What belongs to the other kind of target.
Result<void> check_live(const Options& options) {
  if (!options.fdinfo.empty()) {
    return Error(ErrorKind::kInvalid, "--fdinfo belongs to --core FILE")
        .with_hint("the descriptors of a live process are read from /proc");
  }
  if (!options.exe.empty()) {
    return Error(ErrorKind::kInvalid, "unexpected argument \"" + options.exe + "\"")
        .with_hint("netpoll-trace snapshot -p PID; an executable belongs to --core FILE");
  }
  return {};
}

// What the process or core of a dump tells of its goroutines.
struct DumpOrigin {
  probes::TargetInfo target;
  trace::GoroutineSnapshot snapshot;
};

Result<std::optional<DumpOrigin>> read_origin(const Options& options, Log& log) {
  const bool live = !options.process.pids.empty() || !options.process.comm.empty();
  if (!live && options.core.empty()) return std::optional<DumpOrigin>();
  const auto read = read_options_of(options);
  if (!read) return read.error();
  if (live && options.core.empty()) {
    if (auto fits = check_live(options); !fits) return fits.error();
  }
  const auto open = [&]() -> Result<SnapshotSource> {
    if (!options.core.empty()) return open_core(options, log);
    const auto pid = one_process(options.process, "--annotate");
    return pid ? open_live(*pid) : pid.error();
  };
  const auto source = open();
  if (!source) return source.error();
  auto reader = probes::attach_reader(*source->subject);
  if (!reader) return std::move(reader).error();
  auto target = source->describe();
  if (!target) return std::move(target).error();
  auto snapshot = (*reader)->read(*read);
  if (!snapshot) return std::move(snapshot).error();
  return std::optional(DumpOrigin{.target = std::move(*target), .snapshot = std::move(*snapshot)});
}

// The text itself, unless a format is asked for, which shows the last dump of the file.
Result<ExitStatus> run_annotate(const Options& options, SnapshotView view, Invocation& invocation) {
  if (!options.watch.empty())
    return Error(ErrorKind::kInvalid, "--annotate excludes --watch").with_hint("it reads a file");
  auto file = read_dump_file(options.annotate, invocation.log);
  if (!file) return std::move(file).error();
  const auto origin = read_origin(options, invocation.log);
  if (!origin) return origin.error();
  const auto taken_at = std::chrono::system_clock::now();
  std::optional<DumpMatch> match;
  for (probes::Dump& dump : file->dumps) {
    dump.snapshot.language = *origin ? (*origin)->snapshot.language : "go";
    if (*origin) {
      match = match_dump(dump, (*origin)->snapshot);
      invocation.log.note(match_text(*match, dump));
    }
    redact(dump.snapshot, view.redaction);
  }
  const ExitStatus status = options.output.strict && file->cut_short() ? ExitStatus::kIncomplete : ExitStatus::kDone;
  if (options.output.format.empty() && !options.output.json) {
    auto out = exporters::Destination::open(options.output.path);
    if (!out) return std::move(out).error();
    const std::string text = annotated_text(file->text, file->dumps, view.redaction);
    if (auto written = out->write(text); !written) return std::move(written).error();
    if (auto done = out->commit(); !done) return std::move(done).error();
    return status;
  }
  if (file->dumps.size() > 1) {
    invocation.log.warning(file->path + " holds " + std::to_string(file->dumps.size()) + " dumps; this is the last");
  }
  view.filter.all = true;
  auto out = Emitter::open(options.output, exporters::Content::kSnapshot, invocation.color, options.view.writing(view));
  if (!out) return out.error();
  const probes::TargetInfo target = *origin ? (*origin)->target : probes::TargetInfo{};
  auto dump = dump_json(*file, match);
  trace::GoroutineSnapshot snapshot = std::move(file->dumps.back().snapshot);
  if (*origin) snapshot.runtime_version = (*origin)->snapshot.runtime_version;
  auto document = snapshot_document(std::move(snapshot), target, taken_at, view, options.core);
  if (!document) return std::move(document).error();
  document->head["dump"] = std::move(dump);
  if (auto written = out->snapshot(*document); !written) return std::move(written).error();
  if (auto done = out->finish(); !done) return std::move(done).error();
  return status;
}

// Who waits for whom among the processes, instead of one's goroutines.
Result<ExitStatus> run_graph(const Options& options, const SnapshotView& view, Invocation& invocation) {
  if (!options.core.empty() || !options.watch.empty() || !options.annotate.empty() || options.pause) {
    return Error(ErrorKind::kInvalid, "--graph excludes --core, --watch, --annotate and --pause")
        .with_hint("it looks at live processes, once: netpoll-trace snapshot --graph -p PID --follow");
  }
  const auto pids = find_processes(options.process);
  if (!pids) return pids.error();
  if (pids->empty()) return no_process("netpoll-trace snapshot --graph -p PID -p PID, or -p PID --follow");
  auto out = Emitter::open(options.output, exporters::Content::kResult, invocation.color);
  if (!out) return out.error();
  out->offer_pager(invocation.interrupt);
  const auto taken_at = std::chrono::system_clock::now();
  const auto begin = std::chrono::steady_clock::now();
  const auto graph = read_wait_graph(*pids, options.follow);
  if (!graph) return graph.error();
  const auto took = std::chrono::steady_clock::now() - begin;
  for (const GraphProcess& process : graph->processes) {
    if (!process.error.empty()) invocation.log.warning("not followed: " + process.error);
  }
  const auto document = graph_document(*graph, taken_at, took, options.follow, view.redaction);
  if (auto done = out->result(document); !done) return std::move(done).error();
  return ExitStatus::kDone;
}

// Writes down what a core of the process will lack, and looks at nothing.
Result<ExitStatus> save_context(const Options& options, Log& log) {
  if (!options.core.empty()) {
    return Error(ErrorKind::kInvalid, "--save-core-context excludes --core")
        .with_hint("it is for a live process: netpoll-trace snapshot -p PID --save-core-context DIR");
  }
  const auto pid = one_process(options.process, "--save-core-context");
  if (!pid) return pid.error();
  if (auto saved = probes::save_core_context(*pid, options.save_core_context); !saved) return std::move(saved).error();
  log.note("read it with a later core: netpoll-trace snapshot --core FILE --fdinfo " + options.save_core_context);
  return ExitStatus::kDone;
}

Result<ExitStatus> run(const Options& options, Invocation& invocation) {
  if (!options.save_core_context.empty()) return save_context(options, invocation.log);
  const auto view = view_of(options.view);
  if (!view) return view.error();
  if (options.graph) return run_graph(options, *view, invocation);
  if (auto fits = check_formats(options.view, options.output); !fits) return fits.error();
  if (!options.annotate.empty()) return run_annotate(options, *view, invocation);
  const auto read = read_options_of(options);
  if (!read) return read.error();
  const auto every = watch_interval(options);
  if (!every) return every.error();
  std::vector<pid_t> pids;
  std::optional<SnapshotSource> core;
  if (!options.core.empty()) {
    auto opened = open_core(options, invocation.log);
    if (!opened) return std::move(opened).error();
    core = std::move(*opened);
  } else {
    if (auto fits = check_live(options); !fits) return fits.error();
    auto found = some_processes(options.process);
    if (!found) return std::move(found).error();
    pids = std::move(*found);
    if (auto fits = check_number(options.view, options.output, pids.size()); !fits) return fits.error();
  }
  auto out =
      Emitter::open(options.output, exporters::Content::kSnapshot, invocation.color, options.view.writing(*view));
  if (!out) return out.error();
  if (!*every) out->offer_pager(invocation.interrupt);

  const auto follow = [&view](trace::GoroutineSnapshot& snapshot) { follow_peers(snapshot, view->filter); };
  Looks looks(*read, *view, options.core, options.follow ? follow : std::function<void(trace::GoroutineSnapshot&)>(),
              *out, invocation.log);
  if (auto r = core ? looks.attach(std::move(*core)) : looks.attach_each(pids); !r) return r.error();
  for (bool first = true; first || (*every && !looks.over() && !invocation.interrupt.requested()); first = false) {
    if (auto looked = looks.look(first); !looked) return looked.error();
    if (*every && !looks.over()) wait_readable(invocation.interrupt.fd(), **every);
  }
  if (auto done = out->finish(); !done) return std::move(done).error();
  if (*every && invocation.interrupt.requested()) return invocation.interrupt.status();
  if (looks.passed_over() > 0) return ExitStatus::kCannot;
  return looks.inconsistent() > 0 && options.output.strict ? ExitStatus::kIncomplete : ExitStatus::kDone;
}

Action add(Flags& flags) {
  auto options = std::make_shared<Options>();
  add_process_options(flags, options->process, /*several=*/true);
  flags.text("--core", options->core, {"Target", "FILE", "The core of one that died; its executable may follow"});
  flags.text("--fdinfo", options->fdinfo, {"Target", "PATH", "With --core: its descriptors, as they were saved"});
  flags.text("--save-core-context", options->save_core_context,
             {"Target", "DIR", "With -p: save what a later core will lack, and no more"});
  flags.text("--annotate", options->annotate,
             {"Target", "DUMP", "Write fd and peer into a dump that exists; -p or --core is where it came from"});
  flags.positional("EXE", options->exe);
  add_view_flags(flags, options->view);
  const char* how = "How to look at them";
  flags.text("--watch", options->watch, {how, "TIME", "Again every TIME, until interrupted"});
  flags.on_off("--follow", options->follow, {how, "", "Read the processes at the other ends: who waits there"});
  flags.on_off("--graph", options->graph, {how, "", "Who waits for whom, from one -p or several; names cycles"});
  const char* reading = "How it is read";
  flags.on_off("--pause", options->pause, {reading, "", "Stop the target while its memory is copied"});
  add_output_options(flags, options->output, exporters::Content::kSnapshot, /*strict_too=*/true);
  add_pager_option(flags, options->output);
  return [options](Invocation& invocation) { return run(*options, invocation); };
}

}  // namespace

const Command snapshot_command{
    .name = "snapshot",
    .summary = "lists the goroutines of a process, or a core, that wait for I/O",
    .usage = "-p PID... | --core FILE [EXE] | --annotate DUMP [-p PID | --core FILE] [options]",
    .description =
        "Reads the goroutines of a running libruntime or Go program from its memory: what each waits for and how long, "
        "the descriptor, its addresses and TCP state, and the function. The target keeps running and needs no symbols; "
        "the output says whether everything in it belongs together. --core FILE reads one that died from its ELF core "
        "and its executable, the one that the core names or EXE. Cores compressed with zstd, lz4 or gzip, and inside "
        "of a crash report of apport, are read as they are. Deadlines and times are not in a core. The descriptors "
        "come from its stacks, or with --fdinfo PATH from what was saved of the process: a folder of "
        "--save-core-context, a copy of /proc/PID/fdinfo, or systemd-coredump's COREDUMP_OPEN_FDS.\n"
        "\n"
        "Of several processes each has a page, or a document, one after the other, as jq reads them. One that cannot "
        "be read is named on standard error, and the exit status is 3 at the end.",
    .examples =
        "netpoll-trace snapshot -p 4711\n"
        "netpoll-trace snapshot -p 4711 --min-wait 30s --no-deadline\n"
        "netpoll-trace snapshot -p 4711 --summary\n"
        "netpoll-trace snapshot --graph -p 4711 --follow\n"
        "netpoll-trace snapshot --core core.4711 ./server\n"
        "netpoll-trace snapshot -p 4711 --save-core-context saved\n"
        "netpoll-trace snapshot --core core.4711.zst --fdinfo saved\n"
        "netpoll-trace snapshot -p 4711 --all -f debug2 > dump.txt\n"
        "netpoll-trace snapshot --annotate dump.txt -p 4711\n"
        "netpoll-trace snapshot -p 4711 --json | jq -r '.goroutines[] | select(.wait_ns > 30e9) | "
        "[.goid, .fd, .peer] | @tsv'",
    .takes_program = false,
    .add = add,
};

}  // namespace netpoll::cli
