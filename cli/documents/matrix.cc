// Compares the samples of several designs figure by figure.
#include "cli/documents/matrix.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "cli/compare/median.h"
#include "cli/compare/statistics.h"
#include "cli/documents/envelope.h"

namespace netpoll::cli {
namespace {

using exporters::Json;

std::optional<double> number_at(const Json& document, const char* pointer) {
  const Json::json_pointer path(pointer);
  if (!document.contains(path) || !document.at(path).is_number()) return std::nullopt;
  return document.at(path).get<double>();
}

std::optional<double> calls_per_op(const Json& run) {
  if (!run.contains("syscalls") || !run["syscalls"].is_object()) return std::nullopt;
  double sum = 0;
  for (const auto& [name, call] : run["syscalls"].items()) {
    const auto per_op = call.find("per_op");
    if (per_op == call.end() || !per_op->is_number()) return std::nullopt;
    sum += per_op->get<double>();
  }
  return sum;
}

// Of the server, in the measured window where the load generator saw it, else of all its life.
std::optional<double> cpu_per_op(const Json& run) {
  const auto operations = number_at(run, "/operations");
  if (!operations || *operations == 0) return std::nullopt;
  auto cpu = number_at(run, "/load/server_cpu_ns");
  if (!cpu) cpu = number_at(run, "/server/cpu_ns");
  return cpu ? std::optional(*cpu / *operations) : std::nullopt;
}

struct CellFigure {
  const char* name;
  std::optional<double> (*of)(const Json& run);
};

constexpr CellFigure kFigures[] = {
    {"operations_per_s", [](const Json& run) { return number_at(run, "/operations_per_s"); }},
    {"server_cpu_per_op_ns", cpu_per_op},
    {"latency_p50_ns", [](const Json& run) { return number_at(run, "/latency_ns/p50"); }},
    {"latency_p99_ns", [](const Json& run) { return number_at(run, "/latency_ns/p99"); }},
    {"syscalls_per_op", calls_per_op},
    {"waits_per_op", [](const Json& run) { return number_at(run, "/poll/per_op"); }},
    {"epoll_ctl_per_op", [](const Json& run) { return number_at(run, "/syscalls/epoll_ctl/per_op"); }},
    {"futex_per_op", [](const Json& run) { return number_at(run, "/syscalls/futex/per_op"); }},
};

// Ascending; empty where a run does not know the figure.
std::vector<double> values_of(const CellFigure& figure, const Cell& cell) {
  std::vector<double> values;
  for (const Json& run : cell.samples) {
    const auto value = figure.of(run);
    if (!value) return {};
    values.push_back(*value);
  }
  std::sort(values.begin(), values.end());
  return values;
}

double rounded(double value, double scale) { return std::round(value * scale) / scale; }

// What two samples say of a difference, as compare says it.
const char* verdict_of(const std::vector<double>& base, const std::vector<double>& values, double p) {
  if (base.front() == base.back() && values.front() == values.back() && base.front() == values.front()) return "same";
  if (std::min(base.size(), values.size()) < kLeastSamples) return "inconclusive";
  return p < kAlpha ? "changed" : "same";
}

Json figure_json(const std::vector<double>& values, const std::vector<double>& base) {
  if (values.empty()) return nullptr;
  const double middle = median(values);
  Json json{{"median", rounded(middle, 1e6)},
            {"min", rounded(values.front(), 1e6)},
            {"max", rounded(values.back(), 1e6)},
            {"delta_pct", nullptr},
            {"p", nullptr},
            {"effect", nullptr},
            {"verdict", nullptr}};
  if (base.empty()) return json;
  const double from = median(base);
  if (from != 0) json["delta_pct"] = rounded((middle - from) / from * 100, 100);
  const RankTest test = rank_test(base, values);
  json["p"] = rounded(test.p, 1e4);
  json["effect"] = rounded(test.effect, 1e3);
  json["verdict"] = verdict_of(base, values, test.p);
  return json;
}

}  // namespace

Json repeated_run_document(const Cell& cell) {
  if (cell.samples.size() == 1) return cell.samples.front();
  Json json = median_of(cell.samples);
  json["samples"] = cell.samples;
  json["spread"] = spread_of(cell.samples);
  return json;
}

Json matrix_document(const std::vector<Cell>& cells, std::chrono::system_clock::time_point started_at,
                     bool interrupted) {
  const Cell& first = cells.front();
  Json json = new_document("matrix", started_at);
  json["target"] = first.samples.front()["target"];
  json["target"]["pid"] = nullptr;  // each run is a process of its own
  json["probe"] = first.samples.front()["probe"];
  json["workload"] = first.samples.front()["workload"];
  for (const char* design : {"poll_mode", "trigger", "poller"}) json["workload"].erase(design);
  json["interrupted"] = interrupted;
  json["base"] = design_name(first.plan);
  json["cells"] = Json::object();
  for (const Cell& cell : cells) {
    Json figures = Json::object();
    for (const CellFigure& figure : kFigures) {
      const bool is_base = &cell == &first;
      figures[figure.name] =
          figure_json(values_of(figure, cell), is_base ? std::vector<double>() : values_of(figure, first));
    }
    json["cells"][design_name(cell.plan)] = {{"poll_mode", std::string(poll_mode_name(cell.plan.runtime.poll_mode))},
                                             {"trigger", std::string(trigger_name(cell.plan.runtime.trigger))},
                                             {"poller", std::string(poller_name(cell.plan.runtime.poller))},
                                             {"runs", cell.samples.size()},
                                             {"figures", std::move(figures)},
                                             {"samples", cell.samples}};
  }
  return json;
}

}  // namespace netpoll::cli
