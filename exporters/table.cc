#include "exporters/table.h"

#include <algorithm>
#include <cassert>

namespace netpoll::exporters {

void Table::column(std::string heading, Align align) { columns_.push_back({std::move(heading), align}); }

void Table::row(std::vector<Cell> cells) {
  assert(cells.size() <= columns_.size());
  for (Cell& cell : cells) cell.text = printable(cell.text);
  cells.resize(columns_.size());
  rows_.push_back(std::move(cells));
}

std::string Table::text(bool color) const {
  std::vector<std::size_t> shown;
  std::vector<std::size_t> widths(columns_.size(), 0);
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    for (const auto& row : rows_) widths[i] = std::max(widths[i], display_width(row[i].text));
    if (widths[i] == 0) continue;
    widths[i] = std::max(widths[i], display_width(columns_[i].heading));
    shown.push_back(i);
  }

  std::string out;
  const auto line = [&](const auto& cell_at) {
    std::string pending;  // blanks are written only when something follows them
    for (const std::size_t i : shown) {
      const Cell cell = cell_at(i);
      const std::string blanks(widths[i] - display_width(cell.text), ' ');
      const bool right = columns_[i].align == Align::kRight;
      if (right) pending += blanks;
      if (!cell.text.empty()) {
        out += pending;
        out += styled(cell.text, cell.style, color);
        pending.clear();
      }
      if (!right) pending += blanks;
      pending += "  ";
    }
    out += '\n';
  };
  if (shown.empty()) return out;
  line([&](std::size_t i) { return Cell(columns_[i].heading, Style::kBold); });
  for (const auto& row : rows_) line([&](std::size_t i) { return row[i]; });
  return out;
}

}  // namespace netpoll::exporters
