// The layout of tables.
#include "exporters/table.h"

#include "tests/support/catch.h"

namespace netpoll::exporters {

TEST_CASE("columns are aligned and lines have no trailing blanks") {
  Table table;
  table.column("syscall", Align::kLeft);
  table.column("calls", Align::kRight);
  table.column("errors", Align::kLeft);
  table.row({"read", "200,064", "EAGAIN 7"});
  table.row({"epoll_wait", "3"});
  CHECK(table.text(false) ==
        "syscall       calls  errors\n"
        "read        200,064  EAGAIN 7\n"
        "epoll_wait        3\n");
}

TEST_CASE("a column without content disappears with its heading") {
  Table table;
  table.column("name", Align::kLeft);
  table.column("errors", Align::kLeft);
  table.column("n", Align::kRight);
  table.row({"a", "", "1"});
  table.row({"b", "", "2"});
  CHECK(table.text(false) == "name  n\na     1\nb     2\n");
}

TEST_CASE("colour does not change the alignment") {
  Table table;
  table.column("k", Align::kLeft);
  table.column("v", Align::kRight);
  table.row({"x", Cell("1", Style::kBad)});
  table.row({"yy", "22"});
  CHECK(table.text(true) == "\033[1mk\033[0m    \033[1mv\033[0m\nx    \033[31m1\033[0m\nyy  22\n");
}

TEST_CASE("cells with foreign bytes stay on their line") {
  Table table;
  table.column("comm", Align::kLeft);
  table.row({"evil\n\033[2J"});
  CHECK(table.text(false) == "comm\nevil\\n\\x1b[2J\n");
}

TEST_CASE("a table without rows is no text") {
  Table table;
  table.column("k", Align::kLeft);
  CHECK(table.empty());
  CHECK(table.text(true).empty());
}

}  // namespace netpoll::exporters
