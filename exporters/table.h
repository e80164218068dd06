// Table: aligned columns of text.
//
//   syscall      calls  per op  errors
//   read       200,064    2.00  EAGAIN 100,000
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "exporters/text.h"

namespace netpoll::exporters {

enum class Align : std::uint8_t { kLeft, kRight };

// Where a text that is too long for its column loses what is too much.
enum class Cut : std::uint8_t { kNever, kStart, kEnd };

// Text of at most width columns, at least three; ".." stands for what is cut away. printable() text of one column a
// code point.
std::string cut_to(const std::string& text, std::size_t width, Cut cut);

struct Cell {
  Cell() = default;
  Cell(std::string t, Style s = Style::kPlain) : text(std::move(t)), style(s) {}  // NOLINT(google-explicit-constructor)
  Cell(const char* t) : text(t) {}                                                // NOLINT(google-explicit-constructor)

  std::string text;
  Style style = Style::kPlain;
};

// A value: declare columns, add rows, take the text. Cells are made printable() here, so callers hand foreign strings
// over as they are. A column in which every row is empty is left out with its heading.
class Table {
 public:
  void column(std::string heading, Align align) { column(std::move(heading), align, Cut::kNever); }
  void column(std::string heading, Align align, Cut cut);
  // A row shorter than the columns is padded with empty cells, a longer one is a bug.
  void row(std::vector<Cell> cells);
  bool empty() const { return rows_.empty(); }

  // The table with a line of headings, each line ending in a newline and none in blanks; two blanks between columns.
  // width: columns that a line may take, as far as cells of flexible columns can be cut for it; 0: any. A cut text
  // keeps its end, or its beginning, whichever the column says, and ".." stands for the rest.
  std::string text(bool color, std::size_t width = 0) const;

 private:
  struct Column {
    std::string heading;
    Align align;
    Cut cut;
  };
  void narrow(std::vector<std::size_t>& widths, std::size_t width) const;

  std::vector<Column> columns_;
  std::vector<std::vector<Cell>> rows_;
};

}  // namespace netpoll::exporters
