// The page of a matrix: one line a design, each figure beside what it is against the first design.
#include <cmath>

#include "exporters/json.h"
#include "exporters/pages/member.h"
#include "exporters/pages/pages.h"
#include "exporters/table.h"

namespace netpoll::exporters {
namespace {

std::string count_per_op(double value) { return fixed(value, value != 0 && value < 0.001 ? 6 : value < 1 ? 4 : 2); }
std::string whole(double value) { return grouped(static_cast<std::uint64_t>(std::llround(value))); }
std::string time(double value) { return human_ns(static_cast<std::uint64_t>(std::llround(value))); }

struct Shown {
  const char* figure;
  const char* heading;
  std::string (*text)(double);
};
constexpr Shown kShown[] = {
    {"operations_per_s", "ops/s", whole},
    {"server_cpu_per_op_ns", "CPU/op", time},
    {"latency_p50_ns", "p50", time},
    {"latency_p99_ns", "p99", time},
    {"syscalls_per_op", "calls/op", count_per_op},
    {"epoll_ctl_per_op", "epoll_ctl/op", count_per_op},
};

std::string percent(double value, const char* sign) {
  return sign + fixed(value, std::abs(value) < 9.95 ? 1 : 0) + " %";
}

// "60,312" of the first design; "61,100 +1.3 %" of another one, "61,100 ~" where chance may be the reason.
std::string figure_text(const Shown& shown, const Json& figure) {
  if (!figure.is_object()) return "";
  std::string text = shown.text(at(figure, {"median"}).get<double>());
  const std::string verdict = word(at(figure, {"verdict"}));
  if (verdict.empty()) return text;
  if (verdict != "changed" || !at(figure, {"delta_pct"}).is_number()) return text + (verdict == "changed" ? "" : " ~");
  const double delta = at(figure, {"delta_pct"}).get<double>();
  return text + " " + percent(delta, delta > 0 ? "+" : "");
}

// How far the runs of one design lie apart, in percent of their median: the widest design of a figure.
std::string widest(const Json& cells) {
  std::string out;
  for (const Shown& shown : kShown) {
    double most = 0;
    for (const auto& [name, cell] : cells.items()) {
      const Json& figure = at(cell, {"figures", shown.figure});
      if (!figure.is_object() || at(figure, {"median"}) == 0) continue;
      const double range = at(figure, {"max"}).get<double>() - at(figure, {"min"}).get<double>();
      most = std::max(most, range / at(figure, {"median"}).get<double>() * 100);
    }
    out += (out.empty() ? "" : ", ") + std::string(shown.heading) + " " + percent(most, "");
  }
  return out;
}

}  // namespace

std::string matrix_page(const Json& document, const ExportOptions& options) {
  const Json& cells = at(document, {"cells"});
  const Json& work = at(document, {"workload"});
  std::uint64_t runs = 0;
  bool inconclusive = false;
  Table table;
  table.column("design", Align::kLeft);
  for (const Shown& shown : kShown) table.column(shown.heading, Align::kRight);
  for (const auto& [name, cell] : cells.items()) {
    runs = std::max(runs, at(cell, {"runs"}).get<std::uint64_t>());
    std::vector<Cell> row{name};
    for (const Shown& shown : kShown) {
      const Json& figure = at(cell, {"figures", shown.figure});
      inconclusive = inconclusive || word(at(figure, {"verdict"})) == "inconclusive";
      row.emplace_back(figure_text(shown, figure));
    }
    table.row(std::move(row));
  }
  std::string out = word(at(work, {"name"})) + ": " + count_text(at(work, {"conns"})) + " connections, " +
                    grouped(runs) + (runs == 1 ? " round" : " rounds, medians") + "; changes are against " +
                    word(at(document, {"base"})) + "\n\n" + table.text(options.color);
  if (runs > 1) out += "\nfrom least to most of one design's runs, at worst: " + widest(cells) + "\n";
  out += inconclusive ? "~ may be chance, and fewer than 4 rounds cannot tell: -r 5\n"
                      : "~ may be chance: a difference that a rank test does not take for real (p >= 0.05)\n";
  const std::string backend = word(at(document, {"probe", "backend"}));
  return out + "counted by " + backend + (at(document, {"interrupted"}) == true ? "; interrupted\n" : "\n");
}

}  // namespace netpoll::exporters
