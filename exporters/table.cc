// Widths and lines of a table.
#include "exporters/table.h"

#include <algorithm>
#include <cassert>

namespace netpoll::exporters {

namespace {

constexpr std::size_t kGap = 2;          // blanks between columns
constexpr std::size_t kLeastWidth = 10;  // a column is not cut further

}  // namespace

std::string cut_to(const std::string& text, std::size_t width, Cut cut) {
  const std::size_t has = display_width(text);
  if (has <= width) return text;
  // Where the code point begins that the count of them leads to.
  const auto byte_of = [&](std::size_t count) {
    std::size_t at = 0;
    for (; at < text.size(); ++at) {
      const bool begins = (static_cast<unsigned char>(text[at]) & 0xc0U) != 0x80U;
      if (begins && count-- == 0) break;
    }
    return at;
  };
  const std::size_t kept = width - kGap;
  return cut == Cut::kStart ? ".." + text.substr(byte_of(has - kept)) : text.substr(0, byte_of(kept)) + "..";
}

void Table::column(std::string heading, Align align, Cut cut) { columns_.push_back({std::move(heading), align, cut}); }

void Table::narrow(std::vector<std::size_t>& widths, std::size_t width) const {
  for (;;) {
    std::size_t total = 0;
    for (const std::size_t w : widths) total += w == 0 ? 0 : w + kGap;
    if (total <= width + kGap) return;
    // The widest of those that may be cut gives one.
    std::size_t widest = columns_.size();
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      const bool may_give = columns_[i].cut != Cut::kNever && widths[i] > kLeastWidth;
      if (may_give && (widest == columns_.size() || widths[i] > widths[widest])) widest = i;
    }
    if (widest == columns_.size()) return;
    --widths[widest];
  }
}

void Table::row(std::vector<Cell> cells) {
  assert(cells.size() <= columns_.size());
  for (Cell& cell : cells) cell.text = printable(cell.text);
  cells.resize(columns_.size());
  rows_.push_back(std::move(cells));
}

std::string Table::text(bool color, std::size_t width) const {
  std::vector<std::size_t> shown;
  std::vector<std::size_t> widths(columns_.size(), 0);
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    for (const auto& row : rows_) widths[i] = std::max(widths[i], display_width(row[i].text));
    if (widths[i] == 0) continue;
    widths[i] = std::max(widths[i], display_width(columns_[i].heading));
    shown.push_back(i);
  }
  if (width > 0) narrow(widths, width);

  std::string out;
  const auto line = [&](const auto& cell_at) {
    std::string pending;  // blanks are written only when something follows them
    for (const std::size_t i : shown) {
      Cell cell = cell_at(i);
      cell.text = cut_to(cell.text, widths[i], columns_[i].cut);
      const std::string blanks(widths[i] - display_width(cell.text), ' ');
      const bool right = columns_[i].align == Align::kRight;
      if (right) pending += blanks;
      if (!cell.text.empty()) {
        out += pending;
        out += styled(cell.text, cell.style, color);
        pending.clear();
      }
      if (!right) pending += blanks;
      pending.append(kGap, ' ');
    }
    out += '\n';
  };
  if (shown.empty()) return out;
  line([&](std::size_t i) { return Cell(columns_[i].heading, Style::kBold); });
  for (const auto& row : rows_) line([&](std::size_t i) { return row[i]; });
  return out;
}

}  // namespace netpoll::exporters
