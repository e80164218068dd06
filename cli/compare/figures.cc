// Flattens documents into paths and numbers, and looks for what makes two of them incomparable.
#include "cli/compare/figures.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>

#include "cli/compare/input.h"
#include "cli/documents/median.h"
#include "cli/spell.h"

namespace netpoll::cli {
namespace {

using exporters::Json;

// Top-level members that say what was measured and not what came out.
constexpr std::array<std::string_view, 12> kDescriptions{"schema", "tool",      "host",        "started_at",
                                                         "target", "targets",   "workload",    "samples",
                                                         "exit",   "intervals", "interrupted", "spread"};

bool describes(std::string_view member) {
  return std::find(kDescriptions.begin(), kDescriptions.end(), member) != kDescriptions.end();
}

void collect(const Json& node, const std::string& path, std::vector<Figure>& out) {
  if (node.is_object()) {
    for (const auto& [key, value] : node.items()) {
      if (!path.empty() || !describes(key)) collect(value, path.empty() ? key : path + "." + key, out);
    }
  } else if (node.is_number()) {
    out.push_back({path, node.get<double>()});
  } else if (node.is_null()) {
    out.push_back({path, std::nullopt});
  }
}

// A repeated result stands for its samples: each of them in the frame of the document.
void expand(Json document, std::vector<Json>& runs) {
  const auto samples = document.find("samples");
  if (samples == document.end() || !samples->is_array() || samples->empty()) {
    runs.push_back(std::move(document));
    return;
  }
  for (const Json& sample : *samples) {
    if (!sample.is_object()) continue;
    Json run = document;
    run.erase("samples");
    run.update(sample);
    runs.push_back(std::move(run));
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
  return value.is_string() ? value.get<std::string>() : value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

bool is_errno_path(std::string_view path) { return path.find(".errors.") != std::string_view::npos; }

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
  check("back end", member(base, "probe", "backend"), member(head, "probe", "backend"));
  check("kind of target", member(base, "target", "kind"), member(head, "target", "kind"));
  for (const auto& [document, which] : {std::pair(&base, "the base"), std::pair(&head, "the head")}) {
    const auto it = document->find("interrupted");
    if (it != document->end() && *it == true) found.push_back(std::string(which) + " was interrupted");
  }
  return found;
}

Result<ResultSet> results_of(std::vector<Json> documents, const std::string& name) {
  ResultSet results;
  results.name = name;
  for (Json& document : documents) {
    const auto schema = schema_of(document, name);
    if (!schema) return schema.error();
    if (schema->kind != "run" && schema->kind != "stat") {
      return Error(ErrorKind::kInvalid,
                   name + " is the result of " + schema->kind + "; compare reads those of run and stat")
          .with_hint("netpoll-trace run echo --json -o FILE, or netpoll-trace stat -p PID -d 5s --json -o FILE");
    }
    if (!results.kind.empty() && results.kind != schema->kind) {
      return Error(ErrorKind::kInvalid, name + " holds results of run and of stat").with_hint("keep them in two files");
    }
    results.kind = schema->kind;
    expand(std::move(document), results.runs);
  }
  if (results.runs.empty()) return Error(ErrorKind::kInvalid, name + " holds no result");
  for (const Json& run : results.runs) {
    const auto different = differences(results.first(), run);
    if (!different.empty()) {
      return Error(ErrorKind::kInvalid, "the runs in " + name + " differ: " + different.front())
          .with_hint("a file holds repeated runs of the same thing");
    }
  }
  return results;
}

Result<ResultSet> read_results(const std::string& path) {
  auto documents = read_documents(path);
  if (!documents) return documents.error();
  return results_of(std::move(*documents), path == "-" ? "standard input" : path);
}

std::vector<Figure> figures(const ResultSet& results) {
  std::vector<std::vector<Figure>> runs;
  std::vector<std::string> order;
  for (const Json& run : results.runs) {
    collect(run, "", runs.emplace_back());
    for (const Figure& figure : runs.back()) {
      if (std::find(order.begin(), order.end(), figure.path) == order.end()) order.push_back(figure.path);
    }
  }
  std::vector<Figure> out;
  for (const std::string& path : order) {
    std::vector<double> values;
    for (const auto& run : runs) {
      const auto it = std::find_if(run.begin(), run.end(), [&](const Figure& f) { return f.path == path; });
      if (it != run.end() && it->value) values.push_back(*it->value);
      if (it == run.end() && is_errno_path(path)) values.push_back(0);
    }
    out.push_back({path, values.size() == runs.size() ? std::optional(median(values)) : std::nullopt});
  }
  return out;
}

Result<Figure> figure_at(const std::vector<Figure>& figures, const std::string& path, const std::string& name) {
  std::vector<std::string> known;
  for (const Figure& figure : figures) {
    if (figure.path == path) return figure;
    known.push_back(figure.path);
  }
  // "syscalls.read.errors.EPIPE" is known to be 0 where the call itself is known.
  if (const auto at = path.find(".errors."); at != std::string::npos) {
    const std::string count = path.substr(0, at) + ".count";
    for (const Figure& figure : figures) {
      if (figure.path == count && figure.value) return Figure{path, 0};
    }
  }
  return Error(ErrorKind::kInvalid, name + " has no figure " + path)
      .with_hint(
          did_you_mean(path, known, "netpoll-trace compare --all lists the paths; help schema run explains them"));
}

}  // namespace netpoll::cli
