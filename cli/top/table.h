// The table of rows on a screen: which columns a view has, how wide they are, and each row as a line.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "cli/top/model.h"
#include "cli/top/text.h"

namespace netpoll::cli {

// Columns of fixed width, so that nothing moves while figures change. What does not fit is left out, the least
// important first; what remains goes to peers and names.
class TopTable {
 public:
  // several: whether there is more than one process, and so a column that tells them apart.
  TopTable(const TopModel& model, std::size_t width, bool several, TextRules rules);

  std::string heading() const;
  std::string line(std::size_t rank) const;

 private:
  struct Placed {
    TopColumn column;
    std::size_t width;
  };

  std::string text(const TopRow& row, const Trend* trend, const Placed& placed) const;

  const TopModel& model_;
  TextRules rules_;
  std::vector<Placed> columns_;
};

// The change of a figure, with its sign: "+12", "-1.20 s"; empty: none, or unknown.
std::string delta_text(const std::optional<double>& delta, TopFigure figure);
// A figure as people read it; empty: unknown.
std::string figure_text(float figure, TopFigure of);

}  // namespace netpoll::cli
