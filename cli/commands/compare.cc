// compare: two results side by side; the gate of a CI.
#include <cmath>
#include <memory>

#include "cli/command.h"
#include "cli/compare/comparison.h"
#include "cli/documents/envelope.h"
#include "cli/options.h"
#include "cli/spell.h"
#include "exporters/destination.h"
#include "exporters/table.h"

namespace netpoll::cli {
namespace {

using exporters::Align;
using exporters::Cell;
using exporters::Json;
using exporters::Style;
using exporters::Table;

struct Options {
  OutputOptions output;
  std::string base;
  std::string head;
  std::vector<std::string> fail_on;
  bool force = false;
  bool all = false;
};

std::string value_text(const std::string& path, const std::optional<double>& value) {
  if (!value) return "unknown";
  if (path.find("_ns") != std::string::npos && *value >= 0)
    return exporters::human_ns(static_cast<std::uint64_t>(*value));
  if (std::trunc(*value) == *value && *value >= 0 && *value < 1e18)
    return exporters::grouped(static_cast<std::uint64_t>(*value));
  return exporters::fixed(*value, std::abs(*value) < 0.1 ? 6 : 3);
}

std::string delta_text(const Change& change) {
  const auto delta = change.delta_pct();
  if (!delta) return change.base && change.head ? "from 0" : "";
  if (*delta == 0) return "0 %";
  return (*delta > 0 ? "+" : "") + exporters::fixed(*delta, 2) + " %";
}

Cell verdict_cell(Change::Verdict verdict) {
  Style style = Style::kPlain;
  if (verdict == Change::Verdict::kRegression) style = Style::kBad;
  if (verdict == Change::Verdict::kOk) style = Style::kGood;
  if (verdict == Change::Verdict::kSame) style = Style::kDim;
  return {std::string(verdict_name(verdict)), style};
}

bool is_gated(const Change& change) {
  return change.verdict == Change::Verdict::kOk || change.verdict == Change::Verdict::kRegression;
}

std::string table_text(const ResultSet& base, const ResultSet& head, const Comparison& comparison, bool all,
                       bool color) {
  Table table;
  table.column("figure", Align::kLeft);
  table.column("base", Align::kRight);
  table.column("head", Align::kRight);
  table.column("change", Align::kRight);
  table.column("verdict", Align::kLeft);
  for (const Change& change : comparison.changes) {
    const bool changed = change.verdict == Change::Verdict::kHigher || change.verdict == Change::Verdict::kLower;
    if (!all && !changed && !is_gated(change)) continue;
    table.row({change.path, value_text(change.path, change.base), value_text(change.path, change.head),
               delta_text(change), verdict_cell(change.verdict)});
  }
  const auto runs = [](const ResultSet& set) {
    return set.name + " (" + std::to_string(set.runs.size()) + (set.runs.size() == 1 ? " run)" : " runs, medians)");
  };
  std::string out =
      "base: " + exporters::printable(runs(base)) + "\nhead: " + exporters::printable(runs(head)) + "\n\n";
  out += table.empty() ? "every figure is the same\n" : table.text(color);
  if (comparison.checked.empty()) return out;
  out += "\n";
  for (const Checked& check : comparison.checked) {
    out += exporters::styled(check.failed ? "regression" : "ok", check.failed ? Style::kBad : Style::kGood, color) +
           ": " + exporters::printable(check.condition.text) + "  (" + value_text(check.condition.path, check.base) +
           " -> " + value_text(check.condition.path, check.head) + ")\n";
  }
  return out;
}

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
  const auto format = parse_format(options.output);
  if (!format) return format.error();
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

  auto out = exporters::Destination::open(options.output.path);
  if (!out) return out.error();
  const bool color = use_color_for(invocation.color, *out);
  const std::string text = *format == Format::kJson
                               ? exporters::to_document(document_of(*base, *head, *comparison, different))
                               : table_text(*base, *head, *comparison, options.all, color);
  if (auto written = out->write(text); !written) return written.error();
  if (auto done = out->commit(); !done) return done.error();

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
  add_output_options(flags, options->output, true);
  return [options](Invocation& invocation) { return run(*options, invocation); };
}

}  // namespace

const Command kCompareCommand{
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
