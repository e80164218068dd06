// stat: counts of any process, or of a command.
#include <algorithm>
#include <cstring>
#include <memory>

#include "cli/command.h"
#include "cli/documents/counts_json.h"
#include "cli/documents/median.h"
#include "cli/emit.h"
#include "cli/options.h"
#include "cli/spell.h"
#include "cli/stat/measurement.h"
#include "cli/units.h"
#include "exporters/text.h"

namespace netpoll::cli {
namespace {

using exporters::Json;

struct Options {
  ProcessOptions process;
  std::string duration;
  std::string interval;
  std::string repeat;
  std::string backend = "auto";
  std::vector<std::string> events;
  bool follow_forks = false;
  bool no_follow_forks = false;
  OutputOptions output;
};

Json exit_json(const std::optional<probes::ChildExit>& exit) {
  if (!exit) return nullptr;
  return {{"code", exit->signal == 0 ? Json(exit->code) : Json(nullptr)},
          {"signal", exit->signal != 0 ? Json(exit->signal) : Json(nullptr)}};
}

Json interval_json(const Interval& interval, probes::Backend backend, const EventFilter& filter) {
  Json json;
  json["start_ns"] = interval.start.count();
  json["duration_ns"] = interval.duration.count();
  put_counts(json, interval.counts, backend, std::nullopt, interval.duration, filter);
  return json;
}

// The figures of one measurement: the document of a single one, or a sample of a repeated one.
Json figures_json(const Measurement& measurement, const EventFilter& filter) {
  Json json;
  json["operations"] = nullptr;
  json["duration_ns"] = measurement.duration.count();
  json["latency_ns"] = nullptr;
  put_counts(json, measurement.counts, measurement.probe.backend, std::nullopt, measurement.duration, filter);
  json["exit"] = exit_json(measurement.exit);
  return json;
}

Json document_of(const std::vector<Measurement>& all, const std::vector<std::string>& program, bool interrupted,
                 const EventFilter& filter) {
  const Measurement& first = all.front();
  Json json = new_document("stat", first.started_at);
  // Several processes are one target without a pid; each is listed beside it.
  const bool several = first.targets.size() > 1;
  json["target"] = several ? Json(nullptr) : target_json(first.targets.front());
  if (several) {
    json["targets"] = Json::array();
    for (const auto& target : first.targets) json["targets"].push_back(target_json(target));
  }
  ProbeInfo probe = first.probe;
  for (std::size_t i = 1; i < all.size(); ++i) {
    if (probe.lost && all[i].probe.lost) *probe.lost += *all[i].probe.lost;
    for (const std::string& note : all[i].probe.notes) {
      if (std::find(probe.notes.begin(), probe.notes.end(), note) == probe.notes.end()) probe.notes.push_back(note);
    }
  }
  json["probe"] = probe_json(probe);
  json["command"] = program.empty() ? Json(nullptr) : Json(program);
  json["interrupted"] = interrupted;
  json["target_ended"] = all.back().target_ended;

  std::vector<Json> samples;
  for (const Measurement& measurement : all) samples.push_back(figures_json(measurement, filter));
  json.update(all.size() > 1 ? median_of(samples) : samples.front());
  json["exit"] = exit_json(all.back().exit);
  json["samples"] = all.size() > 1 ? Json(samples) : Json(nullptr);
  json["spread"] = all.size() > 1 ? spread_of(samples) : Json(nullptr);
  if (all.size() > 1) json["spread"].erase("exit");
  json["intervals"] = nullptr;
  if (!first.intervals.empty()) {
    json["intervals"] = Json::array();
    for (const Interval& interval : first.intervals) {
      json["intervals"].push_back(interval_json(interval, first.probe.backend, filter));
    }
  }
  return json;
}

Result<MeasurePlan> plan_of(const Options& options, bool has_program) {
  MeasurePlan plan;
  const auto backend = parse_backend_option(options.backend);
  if (!backend) return backend.error();
  plan.backend = *backend;
  const auto duration = optional_duration(options.duration, "--duration");
  if (!duration) return duration.error();
  plan.duration = *duration;
  const auto interval = optional_duration(options.interval, "--interval");
  if (!interval) return interval.error();
  plan.interval = *interval;
  if (plan.interval && plan.interval->count() < 10'000'000) {
    return Error(ErrorKind::kInvalid, "--interval " + options.interval + " is too short").with_hint("at least 10ms");
  }
  plan.follow_forks = (has_program || options.follow_forks) && !options.no_follow_forks;
  return plan;
}

Result<std::int64_t> repeats_of(const Options& options, const MeasurePlan& plan, bool has_program) {
  if (options.repeat.empty()) return 1;
  auto repeat = parse_integer(options.repeat, "--repeat", 1, 10'000);
  if (!repeat) return repeat;
  if (*repeat > 1 && !has_program && !plan.duration) {
    return Error(ErrorKind::kInvalid, "--repeat of a running process needs --duration").with_hint("-r 5 -d 1s");
  }
  if (*repeat > 1 && plan.interval) {
    return Error(ErrorKind::kInvalid, "--repeat and --interval exclude each other")
        .with_hint("--interval cuts one measurement into pieces, --repeat makes several");
  }
  return repeat;
}

// 126 or 127 as a shell would, for a command that cannot be executed.
ExitStatus not_executed(const Error& error, const std::string& program, Invocation& invocation) {
  const int code = probes::exec_failure_code(error);
  if (!error.hint().empty()) {
    invocation.log.error(error);
  } else {
    invocation.log.error(error.message(), code == 127 ? "is it installed, and in PATH? " + program
                                                      : "is it an executable file? " + program);
  }
  return pass_through(code);
}

// What became of a command that we asked to end.
void note_ending(const Measurement& measurement, const std::string& program, const Options& options,
                 Invocation& invocation) {
  const auto& exit = measurement.exit;
  std::string text = "'" + program + "' was asked to end";
  if (!invocation.interrupt.requested()) text += " after " + options.duration;
  if (!exit) {
    text += " and still runs, uncounted: pid " + std::to_string(measurement.targets.front().pid);
  } else if (exit->signal != 0) {
    text += std::string(", and was ended by signal ") + std::to_string(exit->signal) + ", " + ::strsignal(exit->signal);
  } else {
    text += ", and exited with " + std::to_string(exit->code);
  }
  invocation.log.note(text);
}

Result<ExitStatus> status_of(const std::vector<Measurement>& all, const Options& options, Invocation& invocation) {
  std::uint64_t lost = 0;
  for (const Measurement& measurement : all) lost += measurement.probe.lost.value_or(0);
  if (lost > 0) invocation.log.warning(std::to_string(lost) + " events were lost; counts are too low");
  if (invocation.interrupt.requested()) return invocation.interrupt.status();
  for (const Measurement& measurement : all) {
    if (measurement.target_ended && measurement.exit && !measurement.exit->success()) {
      return pass_through(measurement.exit->shell_code());
    }
  }
  const Measurement& last = all.back();
  if (!last.exit && last.target_ended && !options.duration.empty()) {
    invocation.log.error("the target ended after " +
                             exporters::human_ns(static_cast<std::uint64_t>(last.duration.count())) + " of " +
                             options.duration,
                         "the result covers the time until then; leave -d out to count until a process ends");
    return ExitStatus::kCannot;
  }
  return lost > 0 && options.output.strict ? ExitStatus::kIncomplete : ExitStatus::kDone;
}

Result<ExitStatus> run(const Options& options, Invocation& invocation) {
  const std::vector<std::string>& program = invocation.program;
  const bool has_process = !options.process.pids.empty() || !options.process.comm.empty();
  if (program.empty() == !has_process) {
    return Error(ErrorKind::kInvalid,
                 program.empty() ? "stat needs a process or a command" : "-p and -- CMD exclude each other")
        .with_hint("netpoll-trace stat -p PID, --comm NAME, or -- CMD ARG...");
  }
  auto plan = plan_of(options, !program.empty());
  if (!plan) return plan.error();
  const auto repeats = repeats_of(options, *plan, !program.empty());
  if (!repeats) return repeats.error();
  const auto filter = parse_events(options.events);
  if (!filter) return filter.error();
  const auto pids = find_processes(options.process);
  if (!pids) return pids.error();
  OutputOptions output = options.output;
  if (!program.empty()) output.standard = exporters::Destination::Standard::kError;  // the other is the command's
  auto out = Emitter::open(output, exporters::Content::kResult, invocation.color);
  if (!out) return out.error();

  plan->on_interval = [&](const Interval& interval, probes::Backend backend) {
    out->interval(interval_json(interval, backend, *filter));
  };
  std::vector<Measurement> all;
  for (std::int64_t i = 0; i < *repeats && !invocation.interrupt.requested(); ++i) {
    auto measurement = program.empty() ? measure_processes(*pids, *plan, invocation.interrupt, invocation.log)
                                       : measure_program(program, *plan, invocation.interrupt, invocation.log);
    if (!measurement) return std::move(measurement).error();
    if (measurement->exec_error) return not_executed(*measurement->exec_error, program.front(), invocation);
    all.push_back(std::move(*measurement));
    if (!program.empty() && !all.back().target_ended) {
      note_ending(all.back(), program.front(), options, invocation);
    }
    if (all.back().target_ended && program.empty()) break;
  }
  if (all.empty()) return invocation.interrupt.status();
  const Json document = document_of(all, program, invocation.interrupt.requested(), *filter);
  if (auto done = out->result(document); !done) return std::move(done).error();
  return status_of(all, options, invocation);
}

Action add(Flags& flags) {
  auto options = std::make_shared<Options>();
  add_process_options(flags, options->process, /*several=*/true);
  flags.on_off("--follow-forks", options->follow_forks,
               {"Target", "", "Count child processes too; the default for -- CMD"});
  flags.on_off("--no-follow-forks", options->no_follow_forks, {"Target", "", "Do not count child processes"});
  const char* group = "Measurement";
  flags.text("-d,--duration", options->duration,
             {group, "TIME", "Stop after TIME, a command by SIGTERM; else when the target ends, or on Ctrl-C"});
  flags.text("-i,--interval", options->interval, {group, "TIME", "Report every TIME"});
  flags.text("-r,--repeat", options->repeat, {group, "N", "Measure N times; figures are medians, with their spread"});
  add_backend_option(flags, options->backend);
  add_event_option(flags, options->events);
  add_output_options(flags, options->output, exporters::Content::kResult, /*strict_too=*/true);
  add_save_option(flags, options->output);
  return [options](Invocation& invocation) { return run(*options, invocation); };
}

}  // namespace

const Command stat_command{
    .name = "stat",
    .summary = "counts the poller's system calls of any process, or of a command",
    .usage = "(-p PID... | --comm NAME | -- CMD ARG...) [options]",
    .description =
        "Counts and times epoll_wait, epoll_ctl and the I/O calls around them, and the tracepoints where the target is "
        "a libruntime program. A running process is left as it was (ptrace: a wait in progress begins its timeout "
        "anew). "
        "A command is held before its exec until the probes "
        "are attached, so its counts are exact from the first call to the last; its exit status becomes ours. It has "
        "the terminal, the signals and the standard output that it would have without us, and what it leaves running "
        "lives on. Its result goes to standard error, unless -o names a file (-o -: standard output).",
    .examples =
        "netpoll-trace stat -p 4711 -d 2s\n"
        "netpoll-trace stat --comm nginx -d 10s -i 1s -e epoll\n"
        "netpoll-trace stat --json -o client.json -r 5 -- ./client --requests 1000",
    .takes_program = true,
    .add = add,
};

}  // namespace netpoll::cli
