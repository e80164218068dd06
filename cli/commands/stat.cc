// stat: counts of any process, or of a command.
#include <algorithm>
#include <array>
#include <cstring>
#include <memory>

#include "cli/command.h"
#include "cli/compare/expectation.h"
#include "cli/compare/median.h"
#include "cli/documents/call_groups.h"
#include "cli/documents/counts_json.h"
#include "cli/emit.h"
#include "cli/options.h"
#include "cli/spell.h"
#include "cli/stat/measurement.h"
#include "cli/units.h"
#include "exporters/json.h"
#include "exporters/text.h"
#include "probes/process/cgroups.h"

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
  CgroupOptions cgroup;
  std::vector<std::string> expect;
  std::string per;
  bool per_process = false;
  bool per_thread = false;
  bool per_fd = false;
  bool by_cgroup = false;
  bool follow_forks = false;
  bool no_follow_forks = false;
  bool kill_on_exit = false;
  bool best_effort = false;
  bool counts_only = false;
  OutputOptions output;
};

// What figures per operation are divided by (--per); nothing: there is no notion of one.
struct Per {
  std::optional<probes::Syscall> syscall;  // the calls of this kind that were made
  std::optional<std::uint64_t> number;

  std::optional<std::uint64_t> operations(const probes::Counts& counts) const {
    if (syscall) return counts.syscalls[static_cast<std::size_t>(*syscall)].count;
    return number;
  }
  Json json() const {
    if (syscall) return std::string(probes::syscall_name(*syscall));
    return exporters::or_null(number);
  }
};

// What a document shows, and how.
struct View {
  EventFilter filter;
  Per per;
  probes::GroupBy group_by = probes::GroupBy::kNothing;
  std::vector<std::string> program;
  std::vector<probes::Cgroup> cgroups;
};

Json interval_json(const Interval& interval, probes::Backend backend, const View& view) {
  Json json;
  json["start_ns"] = interval.start.count();
  json["duration_ns"] = interval.duration.count();
  put_counts(json, interval.counts, backend, view.per.operations(interval.counts), interval.duration, view.filter);
  json["groups"] = call_groups_json(interval.groups, view.group_by);
  return json;
}

// The figures of one measurement: the document of a single one, or a sample of a repeated one.
Json figures_json(const Measurement& measurement, const View& view) {
  Json json;
  const auto operations = view.per.operations(measurement.counts);
  json["operations"] = exporters::or_null(operations);
  json["duration_ns"] = measurement.duration.count();
  json["latency_ns"] = nullptr;
  put_counts(json, measurement.counts, measurement.probe.backend, operations, measurement.duration, view.filter);
  json["exit"] = exit_json(measurement.exit);
  return json;
}

// Who was measured, and when it began: what is known before the first figure.
Json head_of(const Measurement& first, const View& view) {
  Json json = new_document("stat", first.started_at);
  // Several processes are one target without a pid; each is listed beside it.
  const bool one = first.targets.size() == 1;
  json["target"] = one ? target_json(first.targets.front()) : Json(nullptr);
  if (first.targets.size() > 1) {
    json["targets"] = Json::array();
    for (const auto& target : first.targets) json["targets"].push_back(target_json(target));
  }
  if (!view.cgroups.empty()) {
    json["cgroups"] = Json::array();
    for (const probes::Cgroup& cgroup : view.cgroups) json["cgroups"].push_back(cgroup.name);
  }
  return json;
}

// intervals: of the only measurement, where there are any.
Json document_of(const std::vector<Measurement>& all, const std::vector<Json>& intervals, bool interrupted,
                 const View& view) {
  const Measurement& first = all.front();
  Json json = head_of(first, view);
  ProbeInfo probe = first.probe;
  for (std::size_t i = 1; i < all.size(); ++i) {
    if (probe.lost && all[i].probe.lost) *probe.lost += *all[i].probe.lost;
    for (const std::string& note : all[i].probe.notes) {
      if (std::find(probe.notes.begin(), probe.notes.end(), note) == probe.notes.end()) probe.notes.push_back(note);
    }
  }
  json["probe"] = probe_json(probe);
  json["command"] = view.program.empty() ? Json(nullptr) : Json(view.program);
  json["per"] = view.per.json();
  json["interrupted"] = interrupted;
  json["target_ended"] = all.back().target_ended;

  std::vector<Json> samples;
  for (const Measurement& measurement : all) samples.push_back(figures_json(measurement, view));
  json.update(all.size() > 1 ? median_of(samples) : samples.front());
  json["exit"] = exit_json(all.back().exit);
  json["samples"] = all.size() > 1 ? Json(samples) : Json(nullptr);
  json["spread"] = all.size() > 1 ? spread_of(samples) : Json(nullptr);
  if (all.size() > 1) json["spread"].erase("exit");
  json["intervals"] = intervals.empty() ? Json(nullptr) : Json(intervals);
  json["groups"] = call_groups_json(all.back().groups, view.group_by);
  return json;
}

Result<Per> parse_per(const std::string& text) {
  Per per;
  if (text.empty()) return per;
  if (text.find_first_not_of("0123456789.,_kMG") == std::string::npos) {
    const auto number = parse_count(text, "--per");
    if (!number) return number.error();
    if (*number < 1) return Error(ErrorKind::kInvalid, "--per 0 divides by nothing").with_hint("--per 10000");
    per.number = static_cast<std::uint64_t>(*number);
    return per;
  }
  per.syscall = probes::parse_syscall(text);
  if (per.syscall) return per;
  std::vector<std::string> names;
  for (std::size_t i = 0; i < probes::kSyscallCount; ++i) {
    names.emplace_back(probes::syscall_name(static_cast<probes::Syscall>(i)));
  }
  return Error(ErrorKind::kInvalid, "--per " + text + " is neither a number nor a system call that is counted")
      .with_hint(did_you_mean(text, names, "--per accept4, --per write, --per 10000"));
}

Result<probes::GroupBy> group_by_of(const Options& options) {
  const std::array<std::pair<bool, probes::GroupBy>, 4> flags = {{{options.per_process, probes::GroupBy::kProcess},
                                                                  {options.per_thread, probes::GroupBy::kThread},
                                                                  {options.per_fd, probes::GroupBy::kFd},
                                                                  {options.by_cgroup, probes::GroupBy::kCgroup}}};
  probes::GroupBy by = probes::GroupBy::kNothing;
  for (const auto& [given, value] : flags) {
    if (!given) continue;
    if (by != probes::GroupBy::kNothing) {
      return Error(ErrorKind::kInvalid, "--per-process, --per-thread, --per-fd and --by-cgroup exclude each other")
          .with_hint("give one of them");
    }
    by = value;
  }
  if (by != probes::GroupBy::kNothing && !options.repeat.empty()) {
    return Error(ErrorKind::kInvalid,
                 "--repeat and figures of each process, thread, descriptor or cgroup exclude each other")
        .with_hint("leave --repeat out");
  }
  return by;
}

Result<MeasurePlan> plan_of(const Options& options, bool has_program) {
  MeasurePlan plan;
  const auto backend = parse_backend_option(options.backend, counting_backends());
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
  if (options.kill_on_exit && !has_program) {
    return Error(ErrorKind::kInvalid, "--kill-on-exit is for a command of our own")
        .with_hint("a running process is always left as it was");
  }
  plan.kill_on_exit = options.kill_on_exit;
  plan.latency = !options.counts_only;
  plan.best_effort = options.best_effort;
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

// The figures so far as a table on standard error, where they are in nobody's way.
void print_so_far(const Measurement& so_far, const View& view, Invocation& invocation) {
  auto out = Emitter::open({.standard = exporters::Destination::Standard::kError}, exporters::Content::kResult,
                           invocation.color);
  if (!out) return;
  if (auto written = out->result(document_of({so_far}, {}, /*interrupted=*/false, view)); !written) {
    invocation.log.error(written.error());
  }
}

Result<ExitStatus> run(const Options& options, Invocation& invocation) {
  const std::vector<std::string>& program = invocation.program;
  if (auto ok = check_targets("stat", options.process, options.cgroup, program); !ok) return std::move(ok).error();
  auto plan = plan_of(options, !program.empty());
  if (!plan) return plan.error();
  const auto repeats = repeats_of(options, *plan, !program.empty());
  if (!repeats) return repeats.error();
  const auto conditions = parse_expectations(options.expect);
  if (!conditions) return conditions.error();
  View view;
  view.program = program;
  const auto filter = parse_events(options.events);
  if (!filter) return filter.error();
  view.filter = *filter;
  const auto per = parse_per(options.per);
  if (!per) return per.error();
  view.per = *per;
  const auto group_by = group_by_of(options);
  if (!group_by) return group_by.error();
  view.group_by = plan->group_by = *group_by;
  if (options.counts_only && *group_by != probes::GroupBy::kNothing) {
    return Error(ErrorKind::kInvalid, "--counts-only has no figures of each process, thread, descriptor or cgroup")
        .with_hint("give one or the other");
  }
  auto cgroups = find_cgroups(options.cgroup);
  if (!cgroups) return std::move(cgroups).error();
  view.cgroups = std::move(*cgroups);
  for (const probes::Cgroup& cgroup : view.cgroups) plan->cgroups.push_back(cgroup.path);
  plan->syscalls = filter->only_syscalls();
  const auto pids = find_processes(options.process);
  if (!pids) return pids.error();
  OutputOptions output = options.output;
  if (!program.empty()) output.standard = exporters::Destination::Standard::kError;  // the other is the command's
  auto out =
      Emitter::open(output, exporters::Content::kResult, invocation.color, {.everything = invocation.log.verbose()});
  if (!out) return out.error();

  plan->output = out->standard_fd();
  std::vector<Json> intervals;
  plan->on_interval = [&](const Interval& interval, const Measurement& so_far) {
    Json row = interval_json(interval, so_far.probe.backend, view);
    const bool read = out->interval(head_of(so_far, view), row);
    if (out->keeps_intervals()) intervals.push_back(std::move(row));
    return read;
  };
  plan->on_nudge = [&](const Measurement& so_far) { print_so_far(so_far, view, invocation); };
  std::vector<Measurement> all;
  for (std::int64_t i = 0; i < *repeats && !invocation.interrupt.requested(); ++i) {
    auto measurement = program.empty() ? measure_processes(*pids, *plan, invocation.interrupt, invocation.log)
                                       : measure_program(program, *plan, invocation.interrupt, invocation.log);
    if (!measurement) return std::move(measurement).error();
    if (measurement->exec_error) {
      invocation.log.error(*measurement->exec_error);
      return pass_through(probes::exec_failure_code(*measurement->exec_error));
    }
    all.push_back(std::move(*measurement));
    if (!program.empty() && !all.back().target_ended) {
      note_ending(all.back(), program.front(), options, invocation);
    }
    if (all.back().target_ended && program.empty()) break;
  }
  if (all.empty()) return invocation.interrupt.status();
  const Json document = document_of(all, intervals, invocation.interrupt.requested(), view);
  if (auto done = out->result(document); !done) return std::move(done).error();
  const auto met = are_met(*conditions, document, invocation.log);
  if (!met) return met.error();
  auto status = status_of(all, options, invocation);
  if (status && *status == ExitStatus::kDone && !*met) return ExitStatus::kNo;
  return status;
}

Action add(Flags& flags) {
  auto options = std::make_shared<Options>();
  add_process_options(flags, options->process, /*several=*/true);
  add_cgroup_options(flags, options->cgroup);
  flags.on_off("--follow-forks", options->follow_forks,
               {"Target", "", "Count child processes too; the default for -- CMD"});
  flags.on_off("--no-follow-forks", options->no_follow_forks, {"Target", "", "Do not count child processes"});
  flags.on_off("--kill-on-exit", options->kill_on_exit,
               {"Target", "", "CMD and what it leaves running may end with us; ptrace then stops it at fewer calls"});
  const char* group = "Measurement";
  flags.text("-d,--duration,--timeout", options->duration,
             {group, "TIME", "Stop after TIME, a command by SIGTERM; else when the target ends, or on Ctrl-C"});
  flags.text("-i,--interval", options->interval, {group, "TIME", "Report every TIME; with -f ndjson as lines"});
  flags.text("-r,--repeat", options->repeat, {group, "N", "Measure N times; figures are medians, with their spread"});
  flags.on_off("--counts-only", options->counts_only,
               {group, "", "Without times and histograms: costs a busy target a third as much"});
  flags.text("--per", options->per,
             {group, "SYSCALL|N", "Figures per call of SYSCALL, or divided by N, instead of per second"});
  flags.on_off("--per-process", options->per_process, {group, "", "Also figures of each process"});
  flags.on_off("--per-thread", options->per_thread, {group, "", "Also figures of each thread"});
  flags.on_off("--per-fd", options->per_fd, {group, "", "Also figures of each descriptor, with its address"});
  flags.on_off("--by-cgroup", options->by_cgroup, {group, "", "Also figures of each cgroup"});
  add_backend_option(flags, options->backend, counting_backends());
  flags.on_off("--best-effort", options->best_effort,
               {group, "", "Go on without a tracepoint that the kernel refuses, and say so"});
  add_event_option(flags, options->events);
  add_output_options(flags, options->output, exporters::Content::kResult, /*strict_too=*/true);
  add_save_option(flags, options->output);
  flags.list("--expect", options->expect, /*separate=*/false,
             {"Output", "'EXPR'", "Exit with 1 unless this holds: PATH OP LIMIT; may be repeated"});
  return [options](Invocation& invocation) { return run(*options, invocation); };
}

}  // namespace

const Command stat_command{
    .name = "stat",
    .summary = "counts the poller's system calls of any process, or of a command",
    .usage = "(-p PID... | --comm NAME | --cgroup PATH | -- CMD ARG...) [options]",
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
        "netpoll-trace stat --comm nginx -d 5s --per accept4 --per-process --follow-forks\n"
        "netpoll-trace stat --expect 'syscalls.read.eagain_share <= 0.5' -- ./server --selftest\n"
        "netpoll-trace stat --json -o client.json -r 5 -- ./client --requests 1000",
    .takes_program = true,
    .add = add,
};

}  // namespace netpoll::cli
