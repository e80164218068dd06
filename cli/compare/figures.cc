// Flattens documents into paths and numbers, and looks for what makes two of them incomparable.
#include "cli/compare/figures.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <string_view>

#include "cli/compare/columns.h"
#include "cli/compare/input.h"
#include "cli/compare/large_document.h"
#include "cli/compare/median.h"
#include "cli/compare/nature.h"
#include "cli/spell.h"

namespace netpoll::cli {
namespace {

using exporters::Json;

// Adds the figures without_eagain behind the counts they are made of.
void split_attempts(std::vector<Figure>& figures) {
  std::map<std::string, std::vector<double>> attempts;  // "syscalls.accept4" -> attempts that ended in EAGAIN, a run
  for (const Figure& figure : figures) {
    const auto at = figure.path.find(".errors.EAGAIN");
    if (at == std::string::npos || !figure.path.starts_with("syscalls.")) continue;
    attempts[figure.path.substr(0, at)] = figure.runs;
  }
  for (const auto& row : attempts) {
    const std::string count_path = row.first + ".count";
    const auto count =
        std::find_if(figures.begin(), figures.end(), [&](const Figure& figure) { return figure.path == count_path; });
    if (count == figures.end()) continue;
    Figure rest{row.first + ".without_eagain", count->runs};
    for (std::size_t i = 0; i < rest.runs.size(); ++i) rest.runs[i] -= row.second[i];
    figures.insert(count + 1, std::move(rest));
  }
}

const Json& member(const Json& node, std::string_view a, std::string_view b) {
  static const Json kNull;
  const auto outer = node.find(a);
  if (outer == node.end() || !outer->is_object()) return kNull;
  const auto inner = outer->find(b);
  return inner == outer->end() ? kNull : *inner;
}

std::string plain(const Json& value) {
  if (value.is_null()) return "unknown";
  return value.is_string() ? value.get<std::string>() : exporters::compact(value);
}

// What only a run on libruntime, which counts its own operations, can know.
bool needs_operations(std::string_view path) {
  return path.ends_with(".per_op") || path.starts_with("operations") || path.starts_with("latency_ns") ||
         path.starts_with("server") || path.starts_with("load");
}

Error unknown_figure(const ResultSet& results, const std::string& path) {
  Error error(ErrorKind::kInvalid, path + " is unknown in " + results.name);
  if (results.kind == "stat" && needs_operations(path)) {
    return Error(ErrorKind::kInvalid, "a result of stat, as " + results.name + ", has no " + path)
        .with_hint(
            "stat does not know the operations of its target: compare counts, or name its operation with --per write");
  }
  if (path.starts_with("tracepoints") && member(results.frame, "target", "kind") != "libruntime") {
    return std::move(error).with_hint("only programs on libruntime have its tracepoints");
  }
  return std::move(error).with_hint(
      "the back end of that run could not measure it; netpoll-trace doctor says which one can");
}

// Whether a figure is an amount that grows with the length of the measurement.
bool is_amount(std::string_view path) {
  const std::string_view last = path.substr(path.rfind('.') + 1);
  if (last.find("per_") != std::string_view::npos || last.starts_with("longest") || last.ends_with("share"))
    return false;
  if (path.find(".latency") != std::string_view::npos || path.find("quantiles") != std::string_view::npos) return false;
  return path.starts_with("syscalls.") || path.starts_with("poll.") || path.starts_with("tracepoints.") ||
         path.starts_with("server.") || path.starts_with("load.");
}

// The result, or the first difference of a document from the first one.
Result<void> check_alike(const ResultSet& results, const Json& document, const std::string& name) {
  const auto different = differences(results.frame, document);
  if (different.empty()) return {};
  return Error(ErrorKind::kInvalid, "the runs in " + name + " differ: " + different.front())
      .with_hint("a file holds repeated runs of the same thing");
}

// Adds the runs of the documents of one file.
class Adder final : public ResultVisitor {
 public:
  Adder(ResultSet& results, Columns& columns, std::string name)
      : results_(results), columns_(columns), name_(std::move(name)) {}

  Result<void> document(Json frame, std::optional<std::size_t> samples) override {
    const auto schema = schema_of(frame, name_);
    if (!schema) return schema.error();
    if (schema->kind != "run" && schema->kind != "stat") {
      return Error(ErrorKind::kInvalid,
                   name_ + " is the result of " + schema->kind + "; compare reads those of run and stat")
          .with_hint("netpoll-trace run echo --json -o FILE, or netpoll-trace stat -p PID -d 5s --json -o FILE");
    }
    if (!results_.kind.empty() && results_.kind != schema->kind) {
      return Error(ErrorKind::kInvalid, name_ + " holds results of run and of stat")
          .with_hint("keep them in two files");
    }
    results_.kind = schema->kind;
    frame_ = std::move(frame);
    if (results_.frame.is_null()) results_.frame = frame_;
    if (auto alike = check_alike(results_, frame_, name_); !alike) return alike;
    if (!samples) {
      columns_.run(frame_, Json::object());
      return single();
    }
    if (*samples == 0) {
      return Error(ErrorKind::kInvalid, name_ + " has an empty set of samples")
          .with_hint("it says that it was repeated, but holds no repetition: measure again");
    }
    return {};
  }

  Result<void> sample(const Sample& sample) override {
    columns_.run(frame_, sample);
    return single();
  }

 private:
  Result<void> single() const {
    if (!columns_.doubled()) return {};
    return Error(ErrorKind::kInvalid, name_ + ": " + *columns_.doubled() + " stands twice in one run")
        .with_hint("which of the two counts, nobody can tell: was it edited?");
  }

  ResultSet& results_;
  Columns& columns_;
  std::string name_;
  Json frame_;
};

ResultSet finished(ResultSet results, Columns& columns) {
  results.runs = columns.runs();
  results.figures = columns.take();
  split_attempts(results.figures);
  return results;
}

}  // namespace

Json number_json(double value) {
  // Whole numbers up to 2^53 are exact in a double.
  if (std::trunc(value) == value && std::abs(value) <= 9007199254740992.0) return static_cast<std::int64_t>(value);
  return value;
}

std::vector<std::string> differences(const Json& base, const Json& head) {
  std::vector<std::string> found;
  const auto check = [&](const std::string& label, const Json& a, const Json& b) {
    if (a != b) found.push_back(label + " " + plain(a) + " and " + plain(b));
  };
  static const Json kNone = Json::object();
  const auto workload = [](const Json& document) -> const Json& {
    const auto it = document.find("workload");
    return it != document.end() && it->is_object() ? *it : kNone;
  };
  // Before there was a choice, results named no poller, and it was epoll.
  const auto value_or_null = [](const Json& members, const std::string& key) {
    if (members.contains(key)) return members[key];
    return key == "poller" ? Json("epoll") : Json();
  };
  const Json& a = workload(base);
  const Json& b = workload(head);
  for (const auto& [key, value] : a.items()) {
    std::string label = key == "name" ? "workload" : key;
    std::replace(label.begin(), label.end(), '_', ' ');
    check(label, value, value_or_null(b, key));
  }
  for (const auto& [key, value] : b.items()) {
    if (!a.contains(key)) check(key, value_or_null(a, key), value);
  }
  // A windowed stat and one of a whole command have little in common, and so have two programs.
  const auto whole_command = [](const Json& document) {
    const auto it = document.find("command");
    return it != document.end() && it->is_array();
  };
  if (whole_command(base) != whole_command(head) && base.contains("command") && head.contains("command")) {
    found.emplace_back("a whole command and a window of a running process");
  }
  if (base.contains("command") && head.contains("command")) {
    check("program", member(base, "target", "comm"), member(head, "target", "comm"));
    check("per", base.value("per", Json(nullptr)), head.value("per", Json(nullptr)));
  }
  check("back end", member(base, "probe", "backend"), member(head, "probe", "backend"));
  check("kind of target", member(base, "target", "kind"), member(head, "target", "kind"));
  for (const char* machine : {"arch", "cpus", "kernel"}) {
    const Json& before = member(base, "host", machine);
    const Json& after = member(head, "host", machine);
    if (!before.is_null() && !after.is_null()) check(machine, before, after);
  }
  for (const auto& [document, which] : {std::pair(&base, "the base"), std::pair(&head, "the head")}) {
    const auto it = document->find("interrupted");
    if (it != document->end() && *it == true) found.push_back(std::string(which) + " was interrupted");
  }
  return found;
}

Result<ResultSet> results_of(const std::vector<Json>& documents, const std::string& name) {
  ResultSet results;
  results.name = name;
  results.files = {name};
  Columns columns;
  Adder adder(results, columns, name);
  for (const Json& document : documents) {
    if (auto added = visit(document, name, adder); !added) return added.error();
  }
  if (columns.runs() == 0) return Error(ErrorKind::kInvalid, name + " holds no result");
  return finished(std::move(results), columns);
}

ResultReader::ResultReader() : document_(std::make_unique<LargeDocument>()) {}
ResultReader::~ResultReader() = default;

Result<ResultSet> read_results(const std::vector<std::string>& paths) { return ResultReader().read(paths); }

Result<ResultSet> ResultReader::read(const std::vector<std::string>& paths) {
  ResultSet results;
  Columns columns;
  for (const std::string& path : paths) {
    const std::string name = path == "-" ? "standard input" : path;
    results.files.push_back(name);
    if (auto read = read_text(path, std::string(kHowToWrite), text_); !read) return std::move(read).error();
    text_.append(kSpare, ' ');
    Adder adder(results, columns, name);
    const std::size_t before = columns.runs();
    if (auto added = visit_text(text_, name, *document_, adder); !added) return added.error();
    if (columns.runs() == before) return no_document(name);
  }
  results.name = results.files.front();
  if (paths.size() > 1) results.name += " and " + std::to_string(paths.size() - 1) + " more";
  return finished(std::move(results), columns);
}

std::optional<double> Figure::value() const { return known() ? std::optional(median(runs)) : std::nullopt; }

bool Figure::known() const {
  return std::none_of(runs.begin(), runs.end(), [](double value) { return std::isnan(value); });
}

const Figure* ResultSet::find(const std::string& path) const {
  const auto it = std::find_if(figures.begin(), figures.end(), [&](const Figure& f) { return f.path == path; });
  return it == figures.end() ? nullptr : &*it;
}

Result<Figure> known_figure(const ResultSet& results, const std::string& path) {
  if (const Figure* figure = results.find(path)) {
    if (!figure->value()) return unknown_figure(results, path);
    return *figure;
  }
  // "syscalls.read.errors.EPIPE" is known to be 0 where the call itself is known, and without EAGAIN all calls count.
  const std::string call = path.substr(0, std::min(path.find(".errors."), path.rfind(".without_eagain")));
  if (const Figure* count = results.find(call + ".count"); count != nullptr && call != path && count->value()) {
    return Figure{path, is_errno_path(path) ? std::vector<double>(results.runs, 0) : count->runs};
  }
  for (std::size_t dot = path.find('.'); dot != std::string::npos; dot = path.find('.', dot + 1)) {
    if (results.find(path.substr(0, dot)) != nullptr) return unknown_figure(results, path);
  }
  std::vector<std::string> known;
  for (const Figure& figure : results.figures) known.push_back(figure.path);
  if (results.kind == "stat" && needs_operations(path)) return unknown_figure(results, path);
  return Error(ErrorKind::kInvalid, results.name + " has no figure " + path)
      .with_hint(
          did_you_mean(path, known, "netpoll-trace compare --all lists the paths; help schema run explains them"));
}

std::string default_per(const ResultSet& results) {
  const auto command = results.frame.find("command");
  return command != results.frame.end() && command->is_null() ? "second" : "none";
}

Result<void> count_per(ResultSet& results, const std::string& by) {
  if (by == "none") return {};
  const bool seconds = by == "second";
  const auto divisor = known_figure(results, seconds ? "duration_ns" : "syscalls." + by + ".count");
  if (!divisor) return divisor.error();
  const double unit = seconds ? 1e9 : 1;
  for (const double value : divisor->runs) {
    if (value > 0) continue;
    return Error(ErrorKind::kInvalid, "--per " + by + ": " + results.name + " has a run with none")
        .with_hint("--per takes second, none, or a system call that the target made");
  }
  for (Figure& figure : results.figures) {
    if (!is_amount(figure.path)) continue;
    for (std::size_t i = 0; i < figure.runs.size(); ++i) figure.runs[i] *= unit / divisor->runs[i];
  }
  return {};
}

}  // namespace netpoll::cli
