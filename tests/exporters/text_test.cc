// Numbers, times and foreign text as people read them.
#include "exporters/text.h"

#include "exporters/json.h"
#include "exporters/pages/pages.h"
#include "tests/support/catch.h"

namespace netpoll::exporters {

TEST_CASE("durations carry three digits and the unit that fits") {
  CHECK(human_ns(0) == "0 ns");
  CHECK(human_ns(999) == "999 ns");
  CHECK(human_ns(1'000) == "1.00 us");
  CHECK(human_ns(9'994) == "9.99 us");
  CHECK(human_ns(9'996) == "10.0 us");
  CHECK(human_ns(18'340) == "18.3 us");
  CHECK(human_ns(999'400) == "999 us");
  CHECK(human_ns(999'600) == "1.00 ms");
  CHECK(human_ns(1'200'000'000) == "1.20 s");
  CHECK(human_ns(36'000'000'000'000) == "36000 s");
}

TEST_CASE("intervals are told apart however short they are") {
  const auto text = [](std::uint64_t start_ns, std::uint64_t duration_ns) {
    return interval_text(Json{{"start_ns", start_ns}, {"duration_ns", duration_ns}}, {});
  };
  CHECK(text(1'000'100'000, 999'600'000) == "1.0-2.0 s\n");
  CHECK(text(100'000'000, 100'100'000) == "0.10-0.20 s\n");
  CHECK(text(10'000'000, 10'000'000) == "0.010-0.020 s\n");
}

TEST_CASE("numbers are grouped by thousands") {
  CHECK(grouped(0) == "0");
  CHECK(grouped(999) == "999");
  CHECK(grouped(1'000) == "1,000");
  CHECK(grouped(1'234'567) == "1,234,567");
  CHECK(grouped(UINT64_MAX) == "18,446,744,073,709,551,615");
}

TEST_CASE("foreign text cannot drive the terminal or break a line") {
  CHECK(printable("plain, \"quoted\" <b>") == "plain, \"quoted\" <b>");
  CHECK(printable("two\nlines\t\r") == "two\\nlines\\t\\r");
  CHECK(printable("\033[31mred\177") == "\\x1b[31mred\\x7f");
  CHECK(printable("caf\xc3\xa9") == "caf\xc3\xa9");
  CHECK(printable("bad\xff\xc3") == "bad\\xff\\xc3");
  CHECK(printable("overlong\xc0\xaf") == "overlong\\xc0\\xaf");
  CHECK(printable("surrogate\xed\xa0\x80") == "surrogate\\xed\\xa0\\x80");
  CHECK(printable("c1\xc2\x9b"
                  "31m") == "c1\\x9b31m");
}

TEST_CASE("width counts characters, not bytes") {
  CHECK(display_width("abc") == 3);
  CHECK(display_width("caf\xc3\xa9") == 4);
}

TEST_CASE("colour is added only when asked for") {
  CHECK(styled("x", Style::kBad, false) == "x");
  CHECK(styled("x", Style::kPlain, true) == "x");
  CHECK(styled("x", Style::kBad, true) == "\033[31mx\033[0m");
}

}  // namespace netpoll::exporters
