// top: what processes wait for, live: a table on a terminal, or one after the other.
#include <unistd.h>

#include <algorithm>
#include <memory>

#include "cli/command.h"
#include "cli/documents/goroutine_flags.h"
#include "cli/emit.h"
#include "cli/options.h"
#include "cli/spell.h"
#include "cli/top/live.h"
#include "cli/top/model.h"
#include "cli/top/sampler.h"
#include "cli/units.h"
#include "probes/process/watch.h"

namespace netpoll::cli {
namespace {

struct Options {
  ProcessOptions process;
  OutputOptions output;
  std::string backend = "auto";
  std::string interval = "1s";
  std::string iterations;
  std::string duration;
  std::string by;
  std::string sort;
  std::string filter;
  std::string top = "100";
  GoroutineFlags goroutines;
  TopChoice choice;
  bool reverse = false;
  bool batch = false;
};

const std::vector<std::string> kFormats = {"table", "json", "ndjson"};

// The back ends that count without a tracer that works all the time.
const std::vector<std::string> kBackends = {"auto", "ebpf", "perf", "self", "none"};

Result<TopTargets> targets_of(const Options& options) {
  auto pids = find_processes(options.process);
  if (!pids) return std::move(pids).error();
  if (pids->empty()) {
    return Error(ErrorKind::kInvalid, "top needs a process")
        .with_hint("netpoll-trace top -p PID, or --comm NAME for every process of that name");
  }
  if (std::find(kBackends.begin(), kBackends.end(), options.backend) == kBackends.end()) {
    const bool known = options.backend == "ptrace";
    return Error(ErrorKind::kInvalid, known ? "ptrace stops the target at each call, which top does not do"
                                            : "unknown back end \"" + options.backend + "\"")
        .with_hint(known ? "netpoll-trace stat --backend ptrace -p PID counts with it"
                         : did_you_mean(options.backend, kBackends, "one of: " + joined(kBackends)));
  }
  TopTargets targets;
  targets.backend = probes::parse_backend(options.backend).value_or(probes::Backend::kAuto);
  targets.comm = options.process.comm;
  // Those of the name come and go.
  for (const std::string& text : options.process.pids) {
    if (const auto pid = parse_pid(text)) targets.pids.push_back(*pid);
  }
  return targets;
}

Result<TopPace> pace_of(const Options& options) {
  TopPace pace;
  const auto interval = parse_duration(options.interval, "--interval");
  if (!interval) return interval.error();
  if (*interval < std::chrono::milliseconds(10)) {
    return Error(ErrorKind::kInvalid, "--interval " + options.interval + " is too short").with_hint("10ms or more");
  }
  pace.interval = *interval;
  if (!options.iterations.empty()) {
    const auto looks = parse_integer(options.iterations, "--iterations", 1, 1'000'000'000);
    if (!looks) return looks.error();
    pace.looks = static_cast<std::uint64_t>(*looks);
  }
  const auto duration = optional_duration(options.duration, "--duration");
  if (!duration) return duration.error();
  pace.duration = *duration;
  return pace;
}

Result<TopChoice> choice_of(const Options& options) {
  TopChoice choice = options.choice;
  choice.goroutines.all = true;
  if (auto understood = understand(options.goroutines, choice.goroutines); !understood)
    return std::move(understood).error();
  return choice;
}

// What there is to see, where nobody said what.
TopView view_for(const TopSample& sample) {
  const auto kind = sample.has_goroutines()      ? TopView::Kind::kGoroutine
                    : sample.has_registrations() ? TopView::Kind::kFd
                                                 : TopView::Kind::kThread;
  return {.kind = kind, .label = {}};
}

Result<std::optional<TopSort>> sort_of(const Options& options, const TopView& view) {
  if (options.sort.empty() && !options.reverse) return std::optional<TopSort>();
  TopSort sort;
  sort.column = default_sort(view);
  if (!options.sort.empty()) {
    const auto column = parse_sort(options.sort, view);
    if (!column) return column.error();
    sort.column = *column;
  }
  sort.descending = default_descending(sort.column) != options.reverse;
  return std::optional(sort);
}

bool wants_batch(const Options& options) {
  return options.batch || options.output.json || !options.output.format.empty() || !options.output.path.empty();
}

Result<void> check_format(const Options& options) {
  const auto format = format_of(options.output, exporters::Content::kResult);
  if (!format) return format.error();
  const std::string name((*format)->name);
  if (std::find(kFormats.begin(), kFormats.end(), name) != kFormats.end()) return {};
  return Error(ErrorKind::kInvalid, "the format " + name + " cannot show one look after the other")
      .with_hint("one of: " + joined(kFormats));
}

// One document for each look, first being the one that is there already.
Result<ExitStatus> run_batch(const Options& options, Sampler& sampler, TopModel& model, const TopPace& pace,
                             std::shared_ptr<const TopSample> first, Invocation& invocation) {
  const auto most = parse_integer(options.top, "--top", 1, 1'000'000'000);
  if (!most) return most.error();
  auto out = Emitter::open(options.output, exporters::Content::kResult, invocation.color);
  if (!out) return std::move(out).error();
  using Clock = std::chrono::steady_clock;
  const auto end = pace.duration ? Clock::now() + *pace.duration : Clock::time_point::max();
  for (std::uint64_t looks = 0;;) {
    const auto begin = Clock::now();
    auto sample = first ? std::move(first) : std::make_shared<const TopSample>(sampler.take(depth_of(model.view())));
    if (sample->processes.empty() && sampler.over()) {
      for (const std::string& ended : sample->ended) invocation.log.note(ended + " has ended");
      break;
    }
    model.take(std::move(sample));
    const auto document = top_document(model.document(static_cast<std::size_t>(*most)));
    if (auto written = out->exporter().result(document); !written) return std::move(written).error();
    if (pace.looks && ++looks >= *pace.looks) break;
    const auto next = std::min(begin + pace.interval, end);
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(next - Clock::now()).count();
    const auto stopped = probes::wait_readable(invocation.interrupt.fd(),
                                               static_cast<int>(std::clamp<std::int64_t>(left, 0, 1'000'000'000)), -1);
    if (!stopped) return stopped.error();
    if (*stopped || Clock::now() >= end) break;
  }
  if (auto done = out->finish(); !done) return std::move(done).error();
  return invocation.interrupt.requested() ? invocation.interrupt.status() : ExitStatus::kDone;
}

Result<ExitStatus> run(const Options& options, Invocation& invocation) {
  auto targets = targets_of(options);
  if (!targets) return std::move(targets).error();
  const auto pace = pace_of(options);
  if (!pace) return pace.error();
  auto choice = choice_of(options);
  if (!choice) return std::move(choice).error();
  std::optional<TopView> view;
  if (!options.by.empty()) {
    auto parsed = parse_view(options.by);
    if (!parsed) return std::move(parsed).error();
    view = std::move(*parsed);
    if (const auto sort = sort_of(options, *view); !sort) return sort.error();
  }
  const bool batch = wants_batch(options);
  if (batch) {
    if (auto fits = check_format(options); !fits) return fits.error();
  } else if (auto there = check_terminal(); !there) {
    return there.error();
  }
  Sampler sampler(std::move(*targets));
  if (auto started = sampler.start(); !started) return std::move(started).error();
  auto first = std::make_shared<const TopSample>(sampler.take(view ? depth_of(*view) : TopDepth::kAll));
  if (!view) view = view_for(*first);
  const auto sort = sort_of(options, *view);
  if (!sort) return sort.error();
  if (needs_goroutines(*view) && !first->has_goroutines() && !first->processes.empty()) {
    return Error(ErrorKind::kNotSupported, "there are no goroutines to show by " + view->name() +
                                               (first->notes.empty() ? "" : ": " + first->notes.front()))
        .with_hint("--by fd, peer, thread or process shows programs of any language");
  }
  TopModel model(*view, *sort, std::move(*choice), options.filter);
  if (batch) return run_batch(options, sampler, model, *pace, std::move(first), invocation);
  return run_on_terminal(sampler, model, *pace, std::move(first), use_color(invocation.color, STDOUT_FILENO),
                         invocation.interrupt);
}

Action add(Flags& flags) {
  auto options = std::make_shared<Options>();
  add_process_options(flags, options->process, /*several=*/true);
  const char* how = "What is shown";
  auto views = view_names();
  views.emplace_back("label:");
  flags.text("--by", options->by,
             {how, "WHAT", "A row by goroutine, peer, fd, stack, func, state, thread, process or label:KEY", views});
  std::vector<std::string> columns;
  for (auto c = static_cast<int>(TopColumn::kPid); c <= static_cast<int>(TopColumn::kKey); ++c) {
    if (static_cast<TopColumn>(c) != TopColumn::kTrend) columns.emplace_back(column_name(static_cast<TopColumn>(c)));
  }
  flags.text("--sort", options->sort,
             {how, "COLUMN", "Sort by wait, count, delta, recvq, cpu or another column", columns});
  flags.on_off("--reverse", options->reverse, {how, "", "The other way round"});
  flags.text("--filter", options->filter, {how, "TEXT", "Rows that have TEXT somewhere"});
  const char* which = "Which goroutines";
  GoroutineFilter& filter = options->choice.goroutines;
  flags.on_off("--io-wait", options->choice.io_waits_only, {which, "", "In IO wait only"});
  flags.on_off("--all", options->choice.system_too, {which, "", "The runtime's own, too"});
  add_goroutine_flags(flags, options->goroutines, filter);
  const char* pace = "Pace";
  flags.text("-i,--interval", options->interval, {pace, "TIME", "Look every TIME (1s)"});
  flags.text("-n,--iterations", options->iterations, {pace, "N", "Look N times, then end"});
  flags.text("-d,--duration", options->duration, {pace, "TIME", "End after TIME"});
  flags.text(
      "--backend", options->backend,
      {"Probes", "NAME", "What counts system calls: auto (eBPF or nothing), ebpf, perf, self or none", kBackends});
  const char* group = "Output";
  flags.on_off("-b,--batch", options->batch, {group, "", "No screen: one table after the other"});
  flags.text("--top", options->top, {group, "N", "Without a screen: at most N rows a look (100)"});
  flags.text("-f,--format", options->output.format,
             {group, "NAME", "Without a screen: table, json (a document a look) or ndjson", kFormats});
  flags.on_off("--json", options->output.json, {group, "", "The same as -f json"});
  flags.text("-o,--output", options->output.path, {group, "FILE", "Write to FILE, which appears once it is complete"});
  return [options](Invocation& invocation) { return run(*options, invocation); };
}

}  // namespace

const Command top_command{
    .name = "top",
    .summary = "shows live what goroutines, descriptors and threads of processes wait for",
    .usage = "(-p PID... | --comm NAME) [options]",
    .description =
        "A table on the whole terminal, of goroutines, or of what they have in common: peers, descriptors, stacks, labels; "
        "or of threads and processes. Each row has the change since the look before and a picture of the last looks. "
        "Above it stand goroutines by state, threads, CPU and calls a second. The goroutines are read from memory while "
        "the target runs, as snapshot does; of programs without goroutines the registrations of epoll, and threads with "
        "their system calls, from /proc. eBPF counts calls where it may, which costs the target a little at each "
        "call; --backend none leaves that out.\n"
        "\n"
        "Keys: arrows and PgUp, PgDn move, Enter shows all of a row, / filters, v and 1 to 8 choose the view, < > and r "
        "sort, s freezes, i shows IO waits only, + and - change the pace, h helps, q leaves. The terminal is left as it "
        "was found.\n"
        "\n"
        "Without a terminal, -b writes a table for each look, and --json a document.",
    .examples =
        "netpoll-trace top -p 4711\n"
        "netpoll-trace top --comm nginx --by process\n"
        "netpoll-trace top -p 4711 --by peer --sort delta\n"
        "netpoll-trace top -p 4711 -b -n 1 --by stack\n"
        "netpoll-trace top -p 4711 -i 5s --json | jq -c '[.started_at, .processes[0].waits_per_s]'",
    .takes_program = false,
    .add = add,
};

}  // namespace netpoll::cli
