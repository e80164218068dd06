// Screens and keys, without a terminal: every line is as wide as the screen, whatever is in it.
#include "cli/top/browser.h"

#include <clocale>

#include "tests/cli/top/samples.h"
#include "tests/support/catch.h"

using namespace netpoll::cli;
using netpoll::trace::Goroutine;
using Kind = TopKey::Kind;

namespace {

// The locale of a terminal that shows all characters, as Terminal sets it.
TextRules utf8() {
  REQUIRE(std::setlocale(LC_CTYPE, "C.UTF-8") != nullptr);
  return {.utf8 = true};
}

struct Screen {
  explicit Screen(TopModel& model)
      : browser(model, std::chrono::seconds(1), utf8(), [this](pid_t pid, int fd) {
          asked.emplace_back(pid, fd);
          return peers;
        }) {}

  std::string text(std::size_t width = 80, std::size_t height = 24) {
    std::string all;
    const auto lines = browser.draw(width, height);
    CHECK(lines.size() == height);
    for (const ScreenLine& line : lines) {
      CHECK(columns_of(line.text, utf8()) == width);
      all += line.text + "\n";
    }
    return all;
  }
  // The line of the cursor.
  std::string selected() {
    for (const ScreenLine& line : browser.draw(80, 24)) {
      if (line.reverse && line.text.find("WAIT") == std::string::npos) return line.text;
    }
    return {};
  }
  bool press(char32_t character) { return browser.press({Kind::kCharacter, character}); }
  void type(const std::u32string& characters) {
    for (const char32_t c : characters) press(c);
  }
  bool shows(const std::string& part) { return text().find(part) != std::string::npos; }

  std::vector<netpoll::trace::PeerProcess> peers;
  std::vector<std::pair<pid_t, int>> asked;  // whose peers
  TopBrowser browser;
};

TopModel model_by(const char* view) { return {*parse_view(view), std::nullopt, {}, ""}; }

// Goroutines 1 to n, n having waited longest.
std::vector<Goroutine> goroutines(std::uint64_t n) {
  std::vector<Goroutine> all;
  for (std::uint64_t goid = 1; goid <= n; ++goid) {
    all.push_back(
        waiting_goroutine(goid, "10.0.0.9:" + std::to_string(40000 + goid), static_cast<std::int64_t>(goid) * kSecond));
  }
  return all;
}

}  // namespace

TEST_CASE("a screen of any size is filled exactly") {
  TopModel model = model_by("goroutine");
  Screen screen(model);
  screen.text();  // before the first look
  screen.browser.take(sample_of(1, {process_with(goroutines(1000)), process_of_entries({entry_of(9, "p", 1)})}));
  for (const std::size_t width : {1, 2, 3, 10, 40, 80, 81, 200, 500}) {
    for (const std::size_t height : {1, 2, 3, 4, 7, 8, 12, 24, 100}) screen.text(width, height);
  }
  for (const char32_t key : U"/h2345678") {
    if (key == 0) break;
    screen.press(key);
    for (const std::size_t width : {1, 5, 80}) screen.text(width, 3);
    if (key == U'/' || key == U'h') screen.browser.press({Kind::kEnter});
  }
}

TEST_CASE("foreign text cannot drive the terminal, and wide characters do not move columns") {
  TopModel model = model_by("goroutine");
  Screen screen(model);
  auto all = goroutines(4);
  all[0].peer = "\x1b[2J\x07\x9b";
  all[1].peer = "\xe4\xb8\x96\xe8\x93\xae\xe4\xb8\x96\xe8\x93\xae\xe4\xb8\x96\xe8\x93\xae\xe4\xb8\x96\xe8\x93\xae";
  all[2].peer = "\xe2\x80\xae\xd7\xa9\xd7\x9c\xd7\x95\xd7\x9d";  // turned around
  all[3].peer =
      "e\xcc\x81"
      "\xff\xfe"
      "\n\r\t";
  screen.browser.take(sample_of(1, {process_with(std::move(all))}));
  for (const std::size_t width : {20, 79, 80, 81, 160}) {
    const std::string text = screen.text(width, 24);
    CHECK(text.find('\x1b') == std::string::npos);
    CHECK(text.find("\xe2\x80\xae") == std::string::npos);
    CHECK(text.find('\r') == std::string::npos);
  }
  const std::string plain = drawable("\xe4\xb8\x96 \xe2\x80\xae", {.utf8 = false});
  CHECK(plain == "? ?");
}

TEST_CASE("a cell has its width whatever is cut off") {
  const TextRules rules = utf8();
  CHECK(cell("abcdef", 4, Align::kLeft, false, rules) == "ab..");
  CHECK(cell("abcdef", 4, Align::kLeft, true, rules) == "..ef");
  CHECK(cell("ab", 4, Align::kRight, false, rules) == "  ab");
  for (std::size_t width = 0; width < 12; ++width) {
    for (const bool start : {false, true}) {
      const std::string made = cell(
          "\xe4\xb8\x96\xe8\x93\xae"
          "a\xe4\xb8\x96\xe8\x93\xae",
          width, Align::kLeft, start, rules);
      CHECK(columns_of(made, rules) == width);
    }
  }
}

TEST_CASE("a sparkline has the newest points at its right, and blanks for what is unknown") {
  const float none = std::numeric_limits<float>::quiet_NaN();
  CHECK(sparkline({0, 7, none, 3.5F}, 6, {.utf8 = false}) == "  _# +");
  CHECK(sparkline({9, 9, 0, 1}, 2, {.utf8 = false}) == "_#");
  CHECK(sparkline({0, 0}, 2, {.utf8 = false}) == "__");
  CHECK(columns_of(sparkline({1, 2, 3}, 8, utf8()), utf8()) == 8);
}

TEST_CASE("the chosen row is followed when rows change places; at the top one sees whatever is there") {
  TopModel model = model_by("goroutine");
  Screen screen(model);
  screen.browser.take(sample_of(1, {process_with(goroutines(100))}));
  CHECK(screen.selected().find(" 100 IO wait") != std::string::npos);
  screen.press(U'j');
  CHECK(screen.selected().find(" 99 IO wait") != std::string::npos);
  auto moved = goroutines(100);
  moved[98].wait_ns = 1;
  screen.browser.take(sample_of(2, {process_with(moved)}));
  CHECK(screen.selected().find(" 99 IO wait") != std::string::npos);
  CHECK(screen.shows("of 100"));
  moved.erase(moved.begin() + 98);  // it ended: the cursor stays on the screen
  screen.browser.take(sample_of(3, {process_with(moved)}));
  CHECK_FALSE(screen.selected().empty());
  screen.press(U'g');
  moved[3].wait_ns = 1000 * kSecond;
  screen.browser.take(sample_of(4, {process_with(moved)}));
  CHECK(screen.selected().find(" 4 IO wait") != std::string::npos);
}

TEST_CASE("a filter is typed, kept, taken back; rows that all vanish leave a sentence") {
  TopModel model = model_by("goroutine");
  Screen screen(model);
  screen.browser.take(sample_of(1, {process_with(goroutines(10))}));
  screen.press(U'/');
  screen.type(U"40003");
  CHECK(screen.shows("filter: 40003_"));
  CHECK(model.size() == 1);
  screen.browser.press({Kind::kBackspace});
  CHECK(model.size() == 9);
  screen.type(U"3qq");  // q is a letter here
  CHECK(model.size() == 0);
  CHECK(screen.shows("no row has \"40003qq\" in it"));
  screen.browser.press({Kind::kEnter});
  screen.browser.press({Kind::kEnter});  // details of nothing
  screen.press(U'j');
  screen.press(U'G');
  screen.browser.take(sample_of(2, {process_with({})}));
  screen.text();
  screen.browser.press({Kind::kEscape});
  CHECK(model.filter().empty());
  screen.browser.take(sample_of(3, {process_with(goroutines(10))}));
  screen.press(U'/');
  screen.type(U"\u4e16");
  CHECK(screen.shows("filter: \xe4\xb8\x96_"));
  screen.browser.press({Kind::kBackspace});
  CHECK(screen.shows("filter: _"));
  screen.browser.press({Kind::kEscape});
  CHECK(model.size() == 10);
}

TEST_CASE("frozen, nothing changes until it goes on, and then the newest is there") {
  TopModel model = model_by("goroutine");
  Screen screen(model);
  screen.browser.take(sample_of(1, {process_with(goroutines(3))}));
  screen.press(U's');
  const std::string frozen = screen.text();
  CHECK(frozen.find("FROZEN") != std::string::npos);
  screen.browser.take(sample_of(2, {process_with(goroutines(5))}));
  CHECK(screen.text() == frozen);
  screen.press(U'2');  // looking around is fine
  CHECK(screen.shows("by peer"));
  screen.press(U's');
  CHECK_FALSE(screen.shows("FROZEN"));
  CHECK(model.sample()->look == 2);
}

TEST_CASE("details show connection, peer process, stack and history, and stay when the row ends") {
  TopModel model = model_by("goroutine");
  Screen screen(model);
  auto all = goroutines(2);
  screen.peers = {{.pid = 99, .comm = "client", .fd = 7, .waiters = {}}};
  all[1].labels = {{"request", "42"}};
  screen.browser.take(sample_of(1, {process_with(all)}));
  all[1].wait_ns = 3 * kSecond;
  screen.browser.take(sample_of(2, {process_with(all)}));
  screen.browser.press({Kind::kEnter});
  const std::string details = screen.text(80, 50);
  for (const char* part : {"goroutine     2", "10.0.0.9:40002", "client 99, fd 7", "request=42", "net.(*conn).Read",
                           "/src/main.go:12", "history of wait_ns", "3.00 s", "2.00 s", "ESTABLISHED"}) {
    INFO(part);
    CHECK(details.find(part) != std::string::npos);
  }
  screen.browser.take(sample_of(3, {process_with(goroutines(1))}));
  const std::string gone = screen.text(80, 50);
  CHECK(gone.find("gone: as it was last") != std::string::npos);
  CHECK(gone.find("client 99") != std::string::npos);
  screen.browser.press({Kind::kEscape});
  CHECK(screen.shows("by goroutine"));
}

TEST_CASE("who holds the other end is looked up for the one row of the details, and once a connection") {
  TopModel model = model_by("goroutine");
  Screen screen(model);
  auto all = goroutines(500);
  screen.browser.take(sample_of(1, {process_with(all)}));
  (void)screen.text();
  screen.press(U'G');
  (void)screen.text();
  CHECK(screen.asked.empty());
  screen.press(U'g');
  screen.browser.press({Kind::kEnter});
  for (std::uint64_t look = 2; look < 6; ++look) screen.browser.take(sample_of(look, {process_with(all)}));
  CHECK(screen.asked == std::vector<std::pair<pid_t, int>>{{4711, 500}});
  all[499].peer = "10.0.0.7:40500";
  screen.browser.take(sample_of(6, {process_with(all)}));
  CHECK(screen.asked.size() == 2);
}

TEST_CASE("a view by thread asks for shallow looks, and rows that need more wait for the next") {
  TopModel model = model_by("thread");
  Screen screen(model);
  ProcessSample process = process_with(goroutines(3));
  process.threads.resize(1);
  const auto look = [&](std::uint64_t number, TopDepth depth) {
    auto sample = std::make_shared<TopSample>(*sample_of(number, {process}));
    sample->depth = depth;
    return sample;
  };
  CHECK(screen.browser.depth() == TopDepth::kStates);
  screen.browser.take(look(1, TopDepth::kStates));
  screen.press(U's');
  screen.press(U'2');
  CHECK(screen.browser.depth() == TopDepth::kAll);
  CHECK(model.size() == 0);
  CHECK(screen.shows("this look read no descriptors and stacks"));
  screen.press(U's');
  screen.browser.take(look(2, TopDepth::kAll));
  CHECK(model.size() == 1);
  CHECK_FALSE(screen.shows("this look read no"));
  screen.press(U'7');
  screen.browser.press({Kind::kEnter});
  CHECK(screen.browser.depth() == TopDepth::kAll);
}

TEST_CASE("keys choose views and columns, help tells them, and q leaves from the table alone") {
  TopModel model = model_by("goroutine");
  Screen screen(model);
  screen.browser.take(sample_of(1, {process_with(goroutines(3))}));
  screen.press(U'v');
  CHECK(screen.shows("by peer"));
  screen.press(U'V');
  CHECK(screen.shows("by goroutine"));
  screen.press(U'>');
  CHECK(screen.shows("sort delta"));
  screen.press(U'<');
  screen.press(U'r');
  CHECK(screen.shows("sort wait (smallest first)"));
  screen.press(U'h');
  CHECK(screen.shows("netpoll-trace top: help"));
  CHECK(screen.press(U'q'));
  CHECK(screen.shows("by goroutine"));
  CHECK_FALSE(screen.press(U'q'));
  for (int i = 0; i < 30; ++i) screen.press(U'-');
  CHECK(screen.browser.interval() >= std::chrono::milliseconds(50));
  for (int i = 0; i < 30; ++i) screen.press(U'+');
  CHECK(screen.browser.interval() <= std::chrono::minutes(1));
}

TEST_CASE("a view that the process has nothing for says so, and when all have ended what was seen last stays") {
  TopModel model = model_by("fd");
  Screen screen(model);
  screen.browser.take(sample_of(1, {process_of_entries({entry_of(9, "10.0.0.8:50000", 3)})}));
  CHECK(screen.shows("10.0.0.8:50000"));
  screen.press(U'1');
  CHECK(screen.shows("there are no goroutines that can be read"));
  screen.press(U'3');
  screen.browser.take(sample_of(2, {}));
  CHECK(screen.shows("ENDED"));
  CHECK(screen.shows("10.0.0.8:50000"));
}

TEST_CASE("a hundred thousand rows are drawn a screen at a time") {
  TopModel model = model_by("goroutine");
  Screen screen(model);
  screen.browser.take(sample_of(1, {process_with(goroutines(100'000))}));
  CHECK(screen.shows("of 100,000"));
  screen.press(U'G');
  CHECK(screen.selected().find(" 1 IO wait") != std::string::npos);
  screen.press(U'/');
  screen.type(U"40077");  // a port, and a goroutine
  CHECK(model.size() == 2);
}
