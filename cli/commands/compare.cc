// compare: two sides of results next to each other; the gate of a CI.
#include <memory>

#include "cli/command.h"
#include "cli/compare/baseline.h"
#include "cli/compare/budget.h"
#include "cli/compare/comparison.h"
#include "cli/compare/self_test.h"
#include "cli/documents/compare.h"
#include "cli/emit.h"
#include "cli/options.h"
#include "cli/spell.h"

namespace netpoll::cli {
namespace {

using exporters::Content;

struct Options {
  OutputOptions output;
  std::vector<std::string> files;
  std::vector<std::string> fail_on;
  std::string budget;
  std::string baseline;
  std::string per;
  bool update = false;
  bool self_test = false;
  bool force = false;
  bool all = false;
};

// The files of the two sides. With --baseline all files are the head's.
struct Sides {
  std::vector<std::string> base;
  std::vector<std::string> head;
};

Result<Sides> sides_of(const Options& options, const std::vector<std::string>& behind_dashes) {
  Sides sides;
  const std::string hint =
      "netpoll-trace compare base.json head.json, or several of each: base*.json -- head*.json; - reads standard input";
  if (!options.baseline.empty()) {
    if (!behind_dashes.empty()) {
      return Error(ErrorKind::kInvalid, "with --baseline all files are the head's").with_hint("leave -- out");
    }
    sides.head = options.files;
  } else if (!behind_dashes.empty()) {
    sides = {options.files, behind_dashes};
  } else if (options.files.size() == 2) {
    sides = {{options.files[0]}, {options.files[1]}};
  } else if (options.files.size() > 2) {
    return Error(ErrorKind::kInvalid, "compare needs to know which of " + std::to_string(options.files.size()) +
                                          " files are the base and which the head")
        .with_hint("put -- between them: " + options.files.front() + " ... -- " + options.files.back() + " ...");
  }
  if (sides.head.empty() || (sides.base.empty() && options.baseline.empty())) {
    return Error(ErrorKind::kInvalid,
                 options.baseline.empty() ? "compare needs two result files" : "compare --baseline needs a result file")
        .with_hint(hint);
  }
  return sides;
}

// The one --fail-on that names no path.
constexpr std::string_view kChanged = "changed";

bool fails_on_changed(const Options& options) {
  return std::find(options.fail_on.begin(), options.fail_on.end(), kChanged) != options.fail_on.end();
}

Result<std::vector<Limit>> limits_of(const Options& options) {
  std::vector<Limit> limits;
  for (const std::string& text : options.fail_on) {
    if (text == kChanged) continue;
    auto condition = parse_condition(text, "--fail-on");
    if (!condition) return condition.error();
    limits.push_back(limit_of(std::move(*condition)));
  }
  if (!options.budget.empty()) {
    auto budget = read_budget(options.budget);
    if (!budget) return budget.error();
    for (Limit& limit : *budget) limits.push_back(std::move(limit));
  }
  if (options.self_test && limits.empty() && !fails_on_changed(options)) {
    return Error(ErrorKind::kInvalid, "--self-test has no limit to test").with_hint("add --fail-on or --budget");
  }
  return limits;
}

std::uint64_t lost_in(const ResultSet& set) {
  const Figure* lost = set.find("probe.lost");
  double sum = 0;
  if (lost != nullptr && lost->value()) {
    for (const double value : lost->runs) sum += value;
  }
  return static_cast<std::uint64_t>(sum);
}

// What was measured differently; an error unless --force.
Result<std::vector<std::string>> checked_differences(const ResultSet& base, const ResultSet& head, bool force,
                                                     Log& log) {
  auto different = differences(base.frame, head.frame);
  if (base.kind != head.kind) different.insert(different.begin(), "results of " + base.kind + " and " + head.kind);
  if (different.empty()) return different;
  const std::string message = base.name + " and " + head.name + " are not comparable: " + joined(different, "; ");
  if (!force) {
    return Error(ErrorKind::kInvalid, message).with_hint("run both in the same way, or insist with --force");
  }
  log.warning(message);
  return different;
}

// Divides the counts of both sides, and returns by what.
Result<std::string> divided(ResultSet& base, ResultSet& head, const Options& options) {
  std::string per = options.per;
  if (per.empty()) per = default_per(base) == "second" || default_per(head) == "second" ? "second" : "none";
  for (ResultSet* set : {&base, &head}) {
    if (auto done = count_per(*set, per); !done) return done.error();
  }
  return per;
}

// --fail-on changed, where it can be judged.
Result<void> apply_changed(Comparison& comparison, Log& log) {
  if (comparison.of_program() == 0) {
    return Error(ErrorKind::kInvalid, "--fail-on changed has nothing to look at: every figure depends on timing here")
        .with_hint("figures belong to the program where its work is fixed: run NAME --ops N, or stat -- COMMAND");
  }
  if (const std::size_t lone = comparison.of_program_on_one_side(); lone > 0) {
    log.warning("--fail-on changed does not judge " + std::to_string(lone) +
                    (lone == 1 ? " figure that only one side knows" : " figures that only one side knows"),
                "measure both sides with the same -e and back end");
  }
  forbid_changes(comparison);
  return {};
}

Result<void> keep(const std::string& path, const Sides& sides, Log& log) {
  for (const std::string& file : sides.head) {
    if (file != "-") continue;
    return Error(ErrorKind::kInvalid, "--update cannot keep standard input").with_hint("name a file");
  }
  if (auto written = write_baseline(path, sides.head); !written) return written;
  log.note("baseline: " + path);
  return {};
}

Result<ExitStatus> run(const Options& options, Invocation& invocation) {
  auto sides = sides_of(options, invocation.program);
  if (!sides) return sides.error();
  if (auto format = format_of(options.output, Content::kVerdict); !format) return format.error();
  if (options.update && options.baseline.empty()) {
    return Error(ErrorKind::kInvalid, "--update has no baseline to update").with_hint("add --baseline DIR");
  }
  const auto limits = limits_of(options);
  if (!limits) return limits.error();
  ResultReader reader;
  auto head = reader.read(sides->head);
  if (!head) return head.error();
  std::string baseline;
  if (!options.baseline.empty()) {
    baseline = baseline_path(options.baseline, *head);
    if (!baseline_exists(baseline)) {
      if (options.update) {
        if (auto kept = keep(baseline, *sides, invocation.log); !kept) return kept.error();
      } else {
        return Error(ErrorKind::kInvalid, "there is no baseline " + baseline)
            .with_hint("--update keeps " + head->name + " as the baseline of this workload, machine and kernel");
      }
    }
    sides->base = {baseline};
  }
  auto base = reader.read(sides->base);
  if (!base) return base.error();

  const auto different = checked_differences(*base, *head, options.force, invocation.log);
  if (!different) return different.error();
  const auto per = divided(*base, *head, options);
  if (!per) return per.error();
  auto comparison = compare(*base, *head, *limits);
  if (!comparison) return comparison.error();
  const bool on_changed = fails_on_changed(options);
  if (on_changed) {
    if (auto applied = apply_changed(*comparison, invocation.log); !applied) return applied.error();
  }
  std::optional<std::vector<Turn>> turns;
  if (options.self_test) {
    std::vector<Limit> tried = *limits;
    if (on_changed) {
      if (auto limit = forbidden_change(*comparison)) tried.push_back(std::move(*limit));
    }
    auto tested = self_test(*base, tried);
    if (!tested) return tested.error();
    turns = std::move(*tested);
  }

  auto out = Emitter::open(options.output, Content::kVerdict, invocation.color, {.everything = options.all});
  if (!out) return out.error();
  out->offer_pager(invocation.interrupt);
  if (auto done = out->result(compare_document(*base, *head, *comparison, *different, *per, on_changed, turns));
      !done) {
    return done.error();
  }

  const std::uint64_t lost = lost_in(*base) + lost_in(*head);
  if (lost > 0) invocation.log.warning(std::to_string(lost) + " events were lost while these results were measured");
  bool blunt = false;
  if (turns) {
    for (const Turn& turn : *turns) blunt = blunt || !turn.turned();
  }
  if (comparison->outcome() == Checked::Outcome::kRegression || blunt) return ExitStatus::kNo;
  if (options.update) {
    if (auto kept = keep(baseline, *sides, invocation.log); !kept) return kept.error();
  }
  return lost > 0 && options.output.strict ? ExitStatus::kIncomplete : ExitStatus::kDone;
}

Action add(Flags& flags) {
  auto options = std::make_shared<Options>();
  const char* group = "Comparison";
  flags.positionals("file", options->files);
  flags.list("--fail-on", options->fail_on, /*separate=*/false,
             {group, "'EXPR'", "Exit with 1 when this holds: PATH OP LIMIT, or changed; may be repeated"});
  flags.text("--budget", options->budget, {group, "FILE", "Exit with 1 when a limit of this file is passed (TOML)"});
  flags.text("--baseline", options->baseline,
             {group, "DIR", "Compare with the result kept in DIR for this workload, machine and kernel"});
  flags.on_off("--update", options->update,
               {group, "", "Keep the head as the baseline, unless a limit is passed; also when there is none yet"});
  flags.on_off("--self-test", options->self_test,
               {group, "", "Prove that each limit can fail: move the figure past it"});
  flags.text(
      "--per", options->per,
      {group, "WHAT", "Divide counts: second (default for windows of running processes), none, or a system call"});
  flags.on_off("--force", options->force, {group, "", "Compare results that were not measured in the same way"});
  flags.on_off("--all", options->all, {group, "", "List every figure, also those of timing"});
  add_output_options(flags, options->output, Content::kVerdict, /*strict_too=*/true);
  add_pager_option(flags, options->output);
  return [options](Invocation& invocation) { return run(*options, invocation); };
}

}  // namespace

const Command compare_command{
    .name = "compare",
    .summary = "compares results of run or stat, and fails when a limit is passed",
    .usage = "(BASE HEAD | BASE... -- HEAD... | --baseline DIR HEAD...) [options]",
    .description =
        "Compares results written with --json, one or several files a side; a file may hold several runs, as an array "
        "or one after the other, and repeated ones (stat -r). Options stand before --.\n"
        "\n"
        "Some figures belong to the program: registrations, connections, bytes, calls that moved data. They are "
        "compared exactly. Others depend on timing, whatever the program does: waits, parks, futex, attempts that "
        "ended in EAGAIN, all times. They are compared by their distributions (medians, ranges, a rank test) where "
        "each side has four runs or more, and neither fail nor stand out unless a limit names them. The verdict on a "
        "figure is same, changed or inconclusive; a change of less than 0.1 % is none.\n"
        "\n"
        "--fail-on gives a limit as PATH OP LIMIT, with a path as jq would write it and OP one of > >= < <= == !=. A "
        "limit with a sign is about the change, in the unit of the path or in percent of the base: 'poll.count > "
        "+100', "
        "'operations_per_s < -1%'. One without is about the head alone; paths in ns take durations: 'latency_ns.p99 > "
        "5ms'. When one of them holds, the verdict is \"regression\" and the exit status 1. What scatters so much that "
        "it may have come out like this by chance is inconclusive and does not fail. --fail-on changed is a limit on "
        "every figure that belongs to the program: none of them may change, in either direction. --budget reads limits from a "
        "file: help budget.\n"
        "\n"
        "Results of another workload, number of operations, poll mode, trigger, poller, back end or machine are "
        "refused. Counts of running processes are compared per second.",
    .examples =
        "netpoll-trace run echo --conns 64 --ops 100000 --json > head.json\n"
        "netpoll-trace compare base.json head.json --fail-on 'syscalls.epoll_ctl.per_op > +2%'\n"
        "netpoll-trace compare base.json head.json --fail-on changed\n"
        "netpoll-trace compare --budget netpoll.toml -f markdown base*.json -- head*.json\n"
        "netpoll-trace compare --baseline baselines --update --budget netpoll.toml head.json",
    .takes_program = true,
    .add = add,
};

}  // namespace netpoll::cli
