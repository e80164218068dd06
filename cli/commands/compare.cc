// compare: two results side by side; the gate of a CI.
#include <memory>

#include "cli/command.h"
#include "cli/compare/comparison.h"
#include "cli/documents/envelope.h"
#include "cli/emit.h"
#include "cli/options.h"
#include "cli/spell.h"

namespace netpoll::cli {
namespace {

using exporters::Json;

struct Options {
  OutputOptions output;
  std::string base;
  std::string head;
  std::vector<std::string> fail_on;
  bool force = false;
  bool all = false;
};

Json number_or_null(const std::optional<double>& value) { return value ? number_json(*value) : Json(nullptr); }

Json set_json(const ResultSet& set) {
  Json json;
  json["file"] = set.name;
  json["runs"] = set.runs.size();
  json["started_at"] = set.first().value("started_at", Json(nullptr));
  return json;
}

Json document_of(const ResultSet& base, const ResultSet& head, const Comparison& comparison,
                 const std::vector<std::string>& different) {
  Json json = new_document("compare", std::chrono::system_clock::now());
  json["target"] = head.first().value("target", Json(nullptr));
  json["probe"] = head.first().value("probe", Json(nullptr));
  json["base"] = set_json(base);
  json["head"] = set_json(head);
  json["differences"] = different;
  json["verdict"] = comparison.regression() ? "regression" : "ok";
  json["conditions"] = Json::array();
  for (const Checked& check : comparison.checked) {
    json["conditions"].push_back({{"condition", check.condition.text},
                                  {"path", check.condition.path},
                                  {"base", number_json(check.base)},
                                  {"head", number_json(check.head)},
                                  {"verdict", check.failed ? "regression" : "ok"}});
  }
  json["changes"] = Json::array();
  for (const Change& change : comparison.changes) {
    json["changes"].push_back({{"path", change.path},
                               {"base", number_or_null(change.base)},
                               {"head", number_or_null(change.head)},
                               {"delta_pct", number_or_null(change.delta_pct())},
                               {"verdict", std::string(verdict_name(change.verdict))}});
  }
  return json;
}

std::uint64_t lost_in(const ResultSet& set) {
  std::uint64_t lost = 0;
  for (const Json& run : set.runs) {
    const auto probe = run.find("probe");
    if (probe == run.end() || !probe->is_object()) continue;
    const auto it = probe->find("lost");
    if (it != probe->end() && it->is_number_unsigned()) lost += it->get<std::uint64_t>();
  }
  return lost;
}

Result<ExitStatus> run(const Options& options, Invocation& invocation) {
  if (options.base.empty() || options.head.empty()) {
    return Error(ErrorKind::kInvalid, "compare needs two result files")
        .with_hint("netpoll-trace compare base.json head.json; - reads standard input");
  }
  if (auto format = format_of(options.output, exporters::Content::kResult); !format) return format.error();
  std::vector<Condition> conditions;
  for (const std::string& text : options.fail_on) {
    auto condition = parse_condition(text, "--fail-on");
    if (!condition) return condition.error();
    conditions.push_back(std::move(*condition));
  }
  const auto base = read_results(options.base);
  if (!base) return base.error();
  const auto head = read_results(options.head);
  if (!head) return head.error();

  auto different = differences(base->first(), head->first());
  if (base->kind != head->kind) different.insert(different.begin(), "results of " + base->kind + " and " + head->kind);
  if (!different.empty()) {
    const std::string message = base->name + " and " + head->name + " are not comparable: " + joined(different, "; ");
    if (!options.force) {
      return Error(ErrorKind::kInvalid, message).with_hint("run both in the same way, or insist with --force");
    }
    invocation.log.warning(message);
  }
  const auto comparison = compare(*base, *head, conditions);
  if (!comparison) return comparison.error();

  auto out = Emitter::open(options.output, exporters::Content::kResult, invocation.color, {.everything = options.all});
  if (!out) return out.error();
  if (auto done = out->result(document_of(*base, *head, *comparison, different)); !done) return done.error();

  const std::uint64_t lost = lost_in(*base) + lost_in(*head);
  if (lost > 0) invocation.log.warning(std::to_string(lost) + " events were lost while these results were measured");
  if (comparison->regression()) return ExitStatus::kNo;
  return lost > 0 && options.output.strict ? ExitStatus::kIncomplete : ExitStatus::kDone;
}

Action add(Flags& flags) {
  auto options = std::make_shared<Options>();
  const char* group = "Comparison";
  flags.positional("base", options->base);
  flags.positional("head", options->head);
  flags.list("--fail-on", options->fail_on, /*separate=*/false,
             {group, "'EXPR'", "Exit with 1 when this holds: PATH OP LIMIT; may be repeated"});
  flags.on_off("--force", options->force, {group, "", "Compare results that were not measured in the same way"});
  flags.on_off("--all", options->all, {group, "", "List every figure, not only those that changed"});
  add_output_options(flags, options->output, exporters::Content::kResult, /*strict_too=*/true);
  return [options](Invocation& invocation) { return run(*options, invocation); };
}

}  // namespace

const Command compare_command{
    .name = "compare",
    .summary = "compares two results of run or stat, and fails when a limit is passed",
    .usage = "BASE HEAD [options]",
    .description =
        "Prints what changed between two results written with --json. A file may hold several runs, as an array or one "
        "after the other, and repeated ones (stat -r): medians are compared.\n"
        "\n"
        "--fail-on gives a limit as PATH OP LIMIT, with a path as jq would write it and OP one of > >= < <= == !=. A "
        "limit with a sign is about the change, in the unit of the path or in percent of the base: 'poll.count > "
        "+100', "
        "'operations_per_s < -1%'. One without is about the head alone; paths in ns take durations: 'latency_ns.p99 > "
        "5ms'. When one of them holds, the verdict is \"regression\" and the exit status 1.\n"
        "\n"
        "Results of another workload, number of operations, poll mode, trigger, poller or back end are refused.",
    .examples =
        "netpoll-trace run echo --conns 64 --ops 100000 --json > head.json\n"
        "netpoll-trace compare base.json head.json --fail-on 'syscalls.epoll_ctl.per_op > +2%'",
    .takes_program = false,
    .add = add,
};

}  // namespace netpoll::cli
