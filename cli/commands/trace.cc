// trace: what processes do to their pollers, event by event.
#include <time.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <functional>
#include <memory>
#include <optional>

#include "cli/command.h"
#include "cli/documents/envelope.h"
#include "cli/emit.h"
#include "cli/export/tracks_option.h"
#include "cli/options.h"
#include "cli/process_list.h"
#include "cli/stat/nudge.h"
#include "cli/system/wake_set.h"
#include "cli/trace/flight_recorder.h"
#include "cli/trace/record_filter.h"
#include "cli/trace/trace_summary.h"
#include "cli/trace/trace_view.h"
#include "cli/units.h"
#include "exporters/events/words.h"
#include "exporters/json.h"
#include "exporters/text.h"
#include "probes/launch/child.h"
#include "probes/stream.h"

namespace netpoll::cli {
namespace {

using exporters::Json;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::steady_clock;

const std::vector<std::string> kStreamingBackends = {"auto", "ebpf", "ptrace", "self"};

struct Options {
  ProcessOptions process;
  CgroupOptions cgroup;
  FilterOptions filter;
  OutputOptions output;
  std::string duration;
  std::string backend = "auto";
  std::string buffer;
  std::string ring;
  std::string until;
  bool summary = false;
  std::vector<std::string> tracks;
  bool follow_forks = false;
  bool no_follow_forks = false;
  bool kill_on_exit = false;
};

std::uint64_t clock_ns(clockid_t clock) {
  timespec now{};
  ::clock_gettime(clock, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(now.tv_nsec);
}

Json vocabulary_json(const probes::StreamSource& source) {
  Json kinds = Json::array();
  for (const probes::EventKind& kind : source.vocabulary()) {
    Json args = Json::object();
    for (const trace::Arg& arg : kind.args)
      args[std::string(arg.name)] = std::string(exporters::arg_form_name(arg.form));
    kinds.push_back({{"kind", std::string(trace::record_kind_name(kind.kind))},
                     {"name", std::string(kind.name)},
                     {"args", std::move(args)}});
  }
  return kinds;
}

// One trace under way.
struct Tracing {
  Invocation& invocation;
  const Options& options;
  std::unique_ptr<probes::StreamSource> source;
  std::optional<nanoseconds> duration;
  std::vector<probes::TargetInfo> targets;
  std::vector<probes::Cgroup> cgroups;  // or these
  std::optional<probes::Child> child;
  std::optional<probes::ChildExit> exit;
  bool target_ended = false;
  std::vector<std::string> passed_over;
  steady_clock::time_point begin;
  std::chrono::system_clock::time_point started_at;
};

// What is known before the first event; lost is known at the end alone.
Json head_of(const Tracing& tracing, std::string_view kind, std::chrono::system_clock::time_point started_at,
             std::optional<std::uint64_t> lost) {
  Json meta = new_document(kind, started_at);
  meta["target"] = tracing.targets.size() == 1 ? target_json(tracing.targets.front()) : Json(nullptr);
  if (!tracing.cgroups.empty()) {
    meta["cgroups"] = Json::array();
    for (const probes::Cgroup& cgroup : tracing.cgroups) meta["cgroups"].push_back(cgroup.name);
  }
  if (tracing.targets.size() > 1) {
    meta["targets"] = Json::array();
    for (const auto& target : tracing.targets) meta["targets"].push_back(target_json(target));
  }
  meta["probe"] = probe_json({.backend = tracing.source->backend(),
                              .lost = lost,
                              .overhead_note = tracing.source->overhead_note(),
                              .notes = {},
                              .passed_over = tracing.passed_over});
  meta["command"] = tracing.invocation.program.empty() ? Json(nullptr) : Json(tracing.invocation.program);
  return meta;
}

Json meta_of(const Tracing& tracing) {
  Json meta = head_of(tracing, "trace", tracing.started_at, /*lost=*/std::nullopt);
  // One moment in both clocks; every other time of the stream is monotonic.
  meta["started_ns"] = clock_ns(CLOCK_MONOTONIC);
  meta["started_realtime_ns"] = clock_ns(CLOCK_REALTIME);
  meta["events"] = vocabulary_json(*tracing.source);
  return meta;
}

Json totals_of(const Tracing& tracing, const TraceView& view) {
  const probes::StreamTotals totals = tracing.source->totals();
  return {{"duration_ns", static_cast<std::uint64_t>((steady_clock::now() - tracing.begin).count())},
          {"events", view.shown()},
          {"seen", totals.events},
          {"lost", totals.lost + view.dropped()},
          {"lost_by_cpu", totals.lost_by_cpu},
          {"lost_output", view.dropped()},
          {"foreign_calls", totals.foreign},
          {"overwritten", view.recorder() != nullptr ? Json(view.recorder()->overwritten()) : Json(nullptr)},
          {"interrupted", tracing.invocation.interrupt.requested()},
          {"target_ended", tracing.target_ended},
          {"exit", exit_json(tracing.exit)}};
}

Result<std::vector<probes::TargetInfo>> describe(const std::vector<pid_t>& pids) {
  std::vector<probes::TargetInfo> infos;
  for (const pid_t pid : pids) {
    auto info = probes::describe_target(pid);
    if (!info) return std::move(info).error();
    infos.push_back(std::move(*info));
  }
  return infos;
}

Result<void> attach_to_processes(Tracing& tracing) {
  std::vector<probes::Target> targets;
  for (const probes::TargetInfo& info : tracing.targets) {
    targets.push_back({info.pid, /*held=*/false, tracing.options.follow_forks, info.exe.value_or("")});
  }
  return tracing.source->attach(targets);
}

Result<void> launch_program(Tracing& tracing) {
  probes::LaunchSpec spec;
  spec.argv = tracing.invocation.program;
  spec.close_other_fds = false;
  spec.ignored_signals = tracing.invocation.interrupt.ignored_by_caller();
  spec.outlives_us = !tracing.options.kill_on_exit;
  spec.dies_with_source = tracing.options.kill_on_exit;
  tracing.source->prepare(spec);
  auto child = probes::launch(spec);
  if (!child) return std::move(child).error();
  tracing.child.emplace(std::move(*child));
  const std::string name = tracing.invocation.program.front();
  const std::string exe = find_program(name);
  probes::TargetInfo info;
  info.pid = tracing.child->pid();
  if (!exe.empty()) info.exe = exe;
  info.comm = name.substr(name.rfind('/') + 1).substr(0, 15);
  tracing.targets.push_back(std::move(info));
  const probes::Target target{tracing.child->pid(), /*held=*/true, !tracing.options.no_follow_forks, exe};
  return tracing.source->attach({&target, 1});
}

// What the recorder has, and what is under way, as a stream of its own. A file is replaced.
Result<void> write_recording(const Tracing& tracing, const TraceView& view, const OutputOptions& output,
                             const exporters::ExportOptions& wishes, const Json& meta,
                             const std::vector<trace::Record>& open) {
  auto out = Emitter::open(output, exporters::Content::kStream, tracing.invocation.color, wishes);
  if (!out) return out.error();
  Json totals = totals_of(tracing, view);
  totals["events"] = view.shown() + open.size();
  if (auto written = view.recorder()->write(out->exporter(), meta, open, totals); !written) return written;
  return out->finish();
}

// The figures so far, or in the end.
Json summary_of(const Tracing& tracing, const TraceView& view, const TraceSummary& summary) {
  Json totals = totals_of(tracing, view);
  Json document = head_of(tracing, "trace-summary", tracing.started_at, totals.at("lost").get<std::uint64_t>());
  totals.erase("lost_output");
  totals.erase("overwritten");
  document.update(totals);
  document["events"] = summary.events();
  summary.put(document);
  return document;
}

// With what is under way, on standard error, where they are in nobody's way.
void print_so_far(const Tracing& tracing, const TraceView& view, const std::vector<trace::Record>& open) {
  auto out = Emitter::open({.standard = exporters::Destination::Standard::kError}, exporters::Content::kResult,
                           tracing.invocation.color);
  if (!out) return;
  TraceSummary summary = *view.summary();
  for (const trace::Record& record : open) summary.add(record);
  if (auto written = out->result(summary_of(tracing, view, summary)); !written)
    tracing.invocation.log.error(written.error());
}

// Until the time is up, every target is gone, somebody interrupts, what --until waits for happened, or nobody reads any
// more. on_nudge is called for SIGUSR1. output: a stream whose readers may leave while there is nothing to write.
Result<void> follow(Tracing& tracing, TraceView& view, std::optional<int> output, std::optional<Nudge>& nudge,
                    const std::function<Result<void>()>& on_nudge) {
  Interrupt& interrupt = tracing.invocation.interrupt;
  auto wake = WakeSet::create();
  if (!wake) return std::move(wake).error();
  if (auto ok = wake->add(interrupt.fd()); !ok) return ok;
  if (nudge) {
    if (auto ok = wake->add(nudge->fd()); !ok) return ok;
  }
  if (tracing.child) {
    if (auto ok = wake->add(tracing.child->pidfd()); !ok) return ok;
  } else if (output) {
    if (auto ok = wake->add_output(*output); !ok) return ok;
  }
  for (;;) {
    const auto end = tracing.duration ? tracing.begin + *tracing.duration : steady_clock::time_point::max();
    const auto now = steady_clock::now();
    if (now >= end) return {};
    if (interrupt.requested()) {
      // What the keyboard says to a command is for the command to obey.
      if (!tracing.child || !interrupt.from_keyboard()) return {};
      wake->remove(interrupt.fd());
    }
    const auto left = std::min<nanoseconds>(end - now, view.has_backlog() ? milliseconds(1) : milliseconds(200));
    const auto alive = tracing.source->wait(static_cast<int>((left.count() + 999'999) / 1'000'000), wake->fd());
    if (!alive) return alive.error();
    if (auto drained = tracing.source->drain(view); !drained) return drained;
    view.flush();
    if (view.failed() || view.found()) return {};
    if (nudge && nudge->take()) {
      if (auto written = on_nudge(); !written) return written;
    }
    auto woken = wake->ready(0);
    if (!woken) return std::move(woken).error();
    const bool child_ended =
        tracing.child && std::find(woken->begin(), woken->end(), tracing.child->pidfd()) != woken->end();
    if (!*alive || child_ended) {
      tracing.target_ended = true;
      return {};
    }
    if (output && std::find(woken->begin(), woken->end(), *output) != woken->end()) return {};  // end() says why
  }
}

// What became of the command; one that still runs is asked to end.
Result<void> take_exit(Tracing& tracing) {
  auto status = tracing.target_ended
                    ? tracing.child->wait(-1)
                    : ask_to_end(*tracing.child, tracing.options.kill_on_exit, tracing.invocation.interrupt);
  if (!status) return std::move(status).error();
  tracing.exit = *status;
  return {};
}

ExitStatus status_of(const Tracing& tracing, std::uint64_t lost) {
  Invocation& invocation = tracing.invocation;
  if (lost > 0) {
    invocation.log.warning(exporters::grouped(lost) + " events were lost" +
                               (tracing.options.summary ? ": the figures are without them" : "; the trace says where"),
                           "--buffer 128Mi gives bursts more room, -e and --fd make the stream smaller");
  }
  if (invocation.interrupt.requested()) return invocation.interrupt.status();
  if (tracing.target_ended && tracing.exit && !tracing.exit->success()) return pass_through(tracing.exit->shell_code());
  return lost > 0 && tracing.options.output.strict ? ExitStatus::kIncomplete : ExitStatus::kDone;
}

Result<probes::StreamOptions> stream_options(const Options& options, const RecordFilter& filter,
                                             const std::vector<probes::Cgroup>& cgroups) {
  probes::StreamOptions stream;
  filter.select(stream);
  for (const probes::Cgroup& cgroup : cgroups) stream.cgroups.push_back(cgroup.path);
  if (options.buffer.empty()) return stream;
  const auto buffer = parse_size(options.buffer, "--buffer");
  if (!buffer) return buffer.error();
  if (*buffer < 4096 || *buffer > (std::uint64_t{1} << 30)) {
    return Error(ErrorKind::kInvalid, "--buffer " + options.buffer + " is out of range").with_hint("4Ki to 1Gi");
  }
  stream.buffer_bytes = *buffer;
  return stream;
}

Result<ExitStatus> run(const Options& options, Invocation& invocation) {
  const auto& program = invocation.program;
  if (auto ok = check_targets("trace", options.process, options.cgroup, program); !ok) return std::move(ok).error();
  if (options.kill_on_exit && program.empty()) {
    return Error(ErrorKind::kInvalid, "--kill-on-exit is for a command of our own")
        .with_hint("a running process is always left as it was");
  }
  const auto backend = parse_backend_option(options.backend, kStreamingBackends);
  if (!backend) return backend.error();
  const auto duration = optional_duration(options.duration, "--duration");
  if (!duration) return duration.error();
  auto filter = RecordFilter::parse(options.filter);
  if (!filter) return std::move(filter).error();
  const auto pids = find_processes(options.process);
  if (!pids) return pids.error();
  auto cgroups = find_cgroups(options.cgroup);
  if (!cgroups) return std::move(cgroups).error();
  auto targets = describe(*pids);
  if (!targets) return std::move(targets).error();
  auto stream = stream_options(options, *filter, *cgroups);
  if (!stream) return stream.error();
  const auto is_ours = [](const probes::TargetInfo& target) { return target.kind == "libruntime"; };
  stream->libruntime = !targets->empty() && std::all_of(targets->begin(), targets->end(), is_ours);
  auto until = parse_until(options.until);
  if (!until) return std::move(until).error();
  if (options.summary && (!options.ring.empty() || !options.filter.sample.empty())) {
    return Error(ErrorKind::kInvalid,
                 std::string("--summary and ") + (options.ring.empty() ? "--sample" : "--ring") + " exclude each other")
        .with_hint("a summary has all events, in memory that does not grow");
  }
  std::optional<TraceSummary> summary;
  if (options.summary) summary.emplace();
  std::optional<FlightRecorder> recorder;
  if (!options.ring.empty()) {
    const auto ring = parse_size(options.ring, "--ring");
    if (!ring) return ring.error();
    recorder.emplace(*ring);
  }
  OutputOptions output = options.output;
  if (!program.empty()) output.standard = exporters::Destination::Standard::kError;  // the other is the command's
  const auto tracks = parse_tracks(options.tracks);
  if (!tracks) return tracks.error();
  const exporters::ExportOptions wishes{.tracks = *tracks};
  const auto content = summary ? exporters::Content::kResult : exporters::Content::kStream;
  auto out = Emitter::open(output, content, invocation.color, wishes);
  if (!out) return out.error();

  Tracing tracing{invocation, options, nullptr, *duration, std::move(*targets), std::move(*cgroups), {}, {},
                  false,      {},      {},      {}};
  auto source = probes::make_stream_source(*backend, *stream, &tracing.passed_over);
  if (!source) return std::move(source).error();
  for (const std::string& reason : tracing.passed_over) invocation.log.note("not used: " + reason);
  tracing.source = std::move(*source);
  const SharedKeyboard shared(invocation.interrupt, !program.empty());
  if (auto attached = program.empty() ? attach_to_processes(tracing) : launch_program(tracing); !attached) {
    return std::move(attached).error();
  }
  tracing.begin = steady_clock::now();
  tracing.started_at = std::chrono::system_clock::now();
  TraceView view(*filter, *out, recorder ? &*recorder : nullptr, summary ? &*summary : nullptr, *until);
  const Json meta = meta_of(tracing);
  if (view.streams()) {
    out->write_behind();
    if (auto begun = out->exporter().begin(meta); !begun) return std::move(begun).error();
    view.flush();
  }
  if (tracing.child) {
    if (auto resumed = tracing.child->resume(); !resumed) {
      const int code = probes::exec_failure_code(resumed.error());
      invocation.log.error(resumed.error());
      return pass_through(code);
    }
  }
  std::optional<Nudge> nudge;
  if (!view.streams()) {
    auto installed = Nudge::install();
    if (!installed) return std::move(installed).error();
    nudge.emplace(std::move(*installed));
  }
  invocation.log.detail("the probes are attached");
  const auto write_now = [&]() -> Result<void> {
    OpenRecords open(*filter);
    if (auto shown = tracing.source->show_open(open); !shown) return shown;
    if (view.recorder() != nullptr) return write_recording(tracing, view, output, wishes, meta, open.records());
    print_so_far(tracing, view, open.records());
    return {};
  };
  if (auto followed = follow(tracing, view, out->standard_fd(), nudge, write_now); !followed)
    return std::move(followed).error();
  // Its ending belongs to what it did. Who may not outlive us is to end as it likes, before the source ends it.
  const bool to_its_end = (!tracing.duration && !view.found()) || options.kill_on_exit;
  if (tracing.child && to_its_end) {
    if (auto ended = take_exit(tracing); !ended) return std::move(ended).error();
  }
  tracing.source->detach();
  if (auto drained = tracing.source->drain(view); !drained) return std::move(drained).error();
  view.say_what_was_dropped();
  if (tracing.child && !to_its_end) {
    if (auto ended = take_exit(tracing); !ended) return std::move(ended).error();
  }
  if (view.failed()) return *view.failed();
  const Json totals = totals_of(tracing, view);
  if (summary) {
    if (auto done = out->result(summary_of(tracing, view, *summary)); !done) return std::move(done).error();
  } else if (recorder) {
    if (auto written = write_now(); !written) return std::move(written).error();
  } else {
    if (auto written = out->exporter().end(totals); !written) return std::move(written).error();
    if (auto done = out->finish(); !done) return std::move(done).error();
  }
  return status_of(tracing, totals.at("lost").get<std::uint64_t>());
}

Action add(Flags& flags) {
  auto options = std::make_shared<Options>();
  add_process_options(flags, options->process, /*several=*/true);
  add_cgroup_options(flags, options->cgroup);
  flags.on_off("--follow-forks", options->follow_forks,
               {"Target", "", "Trace child processes too; the default for -- CMD"});
  flags.on_off("--no-follow-forks", options->no_follow_forks, {"Target", "", "Do not trace child processes"});
  flags.on_off("--kill-on-exit", options->kill_on_exit,
               {"Target", "", "CMD and what it leaves running may end with us; ptrace then stops it at fewer calls"});
  flags.text("-d,--duration", options->duration,
             {"Probes", "TIME", "Stop after TIME, a command by SIGTERM; else when the target ends, or on Ctrl-C"});
  add_backend_option(flags, options->backend, kStreamingBackends);
  flags.text("--buffer", options->buffer, {"Probes", "SIZE", "Room between kernel and tool for bursts; 32Mi"});
  flags.text("--ring", options->ring,
             {"Probes", "SIZE", "Keep the newest SIZE of events, and write them at the end and on SIGUSR1"});
  flags.text("--until", options->until,
             {"Probes", "EXPR", "Stop after the event for which EXPR holds, as in 'cpu_wait_ns > 10ms'"});
  flags.on_off("--summary", options->summary,
               {"Output", "", "Times, errors and the slowest connections instead of events; also -f json, csv, ..."});
  add_filter_options(flags, options->filter);
  add_output_options(flags, options->output, exporters::Content::kStream, /*strict_too=*/true);
  add_tracks_option(flags, options->tracks);
  return [options](Invocation& invocation) { return run(*options, invocation); };
}

}  // namespace

const Command trace_command{
    .name = "trace",
    .summary = "streams what processes do to their pollers, event by event",
    .usage = "(-p PID... | --comm NAME | --cgroup PATH | -- CMD ARG...) [options]",
    .description =
        "Shows system calls around the poller with their arguments, the descriptors that a wait reported, addresses of "
        "sockets, and the tracepoints of libruntime, one line each, in order of time. Each connection's story is told "
        "along: register, park, ready, run, with the time that it waited for the network and then for a CPU; in a Go "
        "program by goroutine, with its labels, from the system calls alone. Waits are joined from what is traced: -e "
        "with the waits or the I/O left out tells no latencies. A target is never held up: what finds no room is lost, "
        "counted, and said where it happened. A command's trace goes to standard error, unless -o names a file (-o -: "
        "standard output).",
    .examples =
        "netpoll-trace trace -p 4711 -d 5s\n"
        "netpoll-trace trace --comm redis-server --min-latency 1ms -e epoll,io\n"
        "netpoll-trace trace -p 4711 -d 10s --summary\n"
        "netpoll-trace trace -p 4711 -d 5s -f perfetto -o out.pftrace\n"
        "netpoll-trace trace -f ndjson -o out.ndjson -- ./server",
    .takes_program = true,
    .add = add,
};

}  // namespace netpoll::cli
