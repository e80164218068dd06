// Takes documents apart into rows.
#include "exporters/figure_rows.h"

#include "exporters/json.h"
#include "exporters/pages/member.h"

namespace netpoll::exporters {
namespace {

std::string number(const Json& value) { return value.is_number() ? compact(value) : std::string(); }

// spread: the object in the document's `spread` that stands for node; null where there is none.
void collect(const Json& node, const std::string& path, const Json& spread, FigureRows& out) {
  if (node.is_object()) {
    for (const auto& [key, value] : node.items()) {
      if (path.empty() && (key == "samples" || key == "spread" || key == "intervals")) continue;
      collect(value, path.empty() ? key : path + "." + key, at(spread, {key.c_str()}), out);
    }
  } else if (node.is_number()) {
    out.rows.push_back({path, number(node), number(at(spread, {"min"})), number(at(spread, {"max"}))});
  }
}

FigureRows of_comparison(const Json& document) {
  FigureRows out{{"figure", "belongs_to", "base", "head", "base_min", "base_max", "head_min", "head_max", "delta_pct",
                  "p", "verdict"},
                 {}};
  for (const Json& change : at(document, {"changes"})) {
    out.rows.push_back({at(change, {"path"}), at(change, {"belongs_to"}), number(at(change, {"base"})),
                        number(at(change, {"head"})), number(at(change, {"base_range", "min"})),
                        number(at(change, {"base_range", "max"})), number(at(change, {"head_range", "min"})),
                        number(at(change, {"head_range", "max"})), number(at(change, {"delta_pct"})),
                        number(at(change, {"p"})), at(change, {"verdict"})});
  }
  return out;
}

}  // namespace

FigureRows figure_rows(const Json& document) {
  if (document.contains("changes")) return of_comparison(document);
  FigureRows out{{"figure", "value", "min", "max"}, {}};
  collect(document, "", at(document, {"spread"}), out);
  return out;
}

}  // namespace netpoll::exporters
