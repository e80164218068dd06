// Keys and screens of `top`.
#include "cli/top/browser.h"

#include <algorithm>
#include <array>

#include "cli/top/header.h"
#include "cli/top/table.h"

namespace netpoll::cli {
namespace {

using exporters::grouped;
using exporters::Style;
using Kind = TopKey::Kind;

constexpr std::chrono::nanoseconds kShortest = std::chrono::milliseconds(100);
constexpr std::chrono::nanoseconds kLongest = std::chrono::minutes(1);
constexpr std::size_t kMostTyped = 200;  // bytes

void append_utf8(std::string& text, char32_t code) {
  const auto put = [&](char32_t bits) { text += static_cast<char>(bits); };
  if (code < 0x80) {
    put(code);
  } else if (code < 0x800) {
    put(0xc0U | (code >> 6U));
    put(0x80U | (code & 0x3fU));
  } else if (code < 0x10000) {
    put(0xe0U | (code >> 12U));
    put(0x80U | ((code >> 6U) & 0x3fU));
    put(0x80U | (code & 0x3fU));
  } else {
    put(0xf0U | (code >> 18U));
    put(0x80U | ((code >> 12U) & 0x3fU));
    put(0x80U | ((code >> 6U) & 0x3fU));
    put(0x80U | (code & 0x3fU));
  }
}

void drop_last_character(std::string& text) {
  while (!text.empty() && (static_cast<unsigned char>(text.back()) & 0xc0U) == 0x80U) text.pop_back();
  if (!text.empty()) text.pop_back();
}

}  // namespace

void TopBrowser::take(std::shared_ptr<const TopSample> sample) {
  if (frozen_) {
    waiting_ = std::move(sample);
    return;
  }
  header_.clear();
  // What was seen last of those that have ended stays.
  ended_ = sample->processes.empty() && model_.sample() != nullptr;
  if (ended_) return;
  model_.take(std::move(sample));
  follow_selection();
  if (mode_ == Mode::kDetails) refresh_details();
}

void TopBrowser::set_frozen(bool frozen) {
  frozen_ = frozen;
  header_.clear();
  if (!frozen && waiting_) take(std::move(waiting_));
  waiting_.reset();
}

// Keeps the cursor on the row that was chosen, wherever it is now; where it is gone, or none was chosen, the cursor
// stays where it is on the screen.
void TopBrowser::follow_selection() {
  if (selected_) {
    if (const auto rank = model_.rank_of(*selected_)) cursor_ = *rank;
  }
  cursor_ = std::min(cursor_, model_.size() == 0 ? 0 : model_.size() - 1);
}

void TopBrowser::move_to(std::size_t rank) {
  if (model_.size() == 0) return;
  cursor_ = std::min(rank, model_.size() - 1);
  // At the very top one looks at whatever is there.
  selected_ = cursor_ == 0 ? std::nullopt : std::optional(model_.item(cursor_).identity);
}

bool TopBrowser::press(const TopKey& key) {
  if (mode_ == Mode::kTyping) {
    press_while_typing(key);
    return true;
  }
  if (key.kind == Kind::kCharacter && key.character == U'q') {
    if (mode_ == Mode::kTable) return false;
    mode_ = Mode::kTable;
    return true;
  }
  if (mode_ == Mode::kTable) return press_in_table(key);
  if (scroll(key)) return true;
  if (key.kind == Kind::kCharacter && (key.character == U's' || key.character == U' ')) {
    set_frozen(!frozen_);
  } else {
    const bool help = key.kind == Kind::kHelp || (key.kind == Kind::kCharacter && key.character == U'h');
    mode_ = help && mode_ == Mode::kDetails ? Mode::kHelp : Mode::kTable;
    scroll_ = 0;
  }
  return true;
}

bool TopBrowser::scroll(const TopKey& key) {
  const auto back = [&](std::size_t lines) { scroll_ -= std::min(scroll_, lines); };
  switch (key.kind) {
    case Kind::kUp:
      back(1);
      return true;
    case Kind::kDown:
      ++scroll_;  // draw_text() keeps it within the text
      return true;
    case Kind::kPageUp:
      back(page_);
      return true;
    case Kind::kPageDown:
      scroll_ += page_;
      return true;
    case Kind::kHome:
      scroll_ = 0;
      return true;
    case Kind::kEnd:
      scroll_ = details_.size() + 1000;
      return true;
    case Kind::kCharacter:
      if (key.character == U'k') back(1);
      if (key.character == U'j') ++scroll_;
      return key.character == U'j' || key.character == U'k';
    default:
      return false;
  }
}

bool TopBrowser::press_in_table(const TopKey& key) {
  switch (key.kind) {
    case Kind::kUp:
      move_to(cursor_ - std::min<std::size_t>(cursor_, 1));
      break;
    case Kind::kDown:
      move_to(cursor_ + 1);
      break;
    case Kind::kPageUp:
      move_to(cursor_ - std::min(cursor_, page_));
      break;
    case Kind::kPageDown:
      move_to(cursor_ + page_);
      break;
    case Kind::kHome:
      move_to(0);
      break;
    case Kind::kEnd:
      move_to(model_.size());
      break;
    case Kind::kEnter:
      open_details();
      break;
    case Kind::kEscape:
      model_.set_filter("");
      follow_selection();
      break;
    case Kind::kTab:
      change_view(1);
      break;
    case Kind::kBackTab:
      change_view(-1);
      break;
    case Kind::kHelp:
      press_command(U'h');
      break;
    case Kind::kCharacter:
      press_command(key.character);
      break;
    case Kind::kBackspace:
      break;
  }
  return true;
}

void TopBrowser::press_command(char32_t character) {
  switch (character) {
    case U'h':
    case U'?':
      mode_ = Mode::kHelp;
      scroll_ = 0;
      break;
    case U'/':
      mode_ = Mode::kTyping;
      filter_before_ = typed_ = model_.filter();
      break;
    case U's':
    case U' ':
      set_frozen(!frozen_);
      break;
    case U'v':
      change_view(1);
      break;
    case U'V':
      change_view(-1);
      break;
    case U'<':
      change_sort(-1);
      break;
    case U'>':
      change_sort(1);
      break;
    case U'r':
      model_.set_sort({model_.sort().column, !model_.sort().descending});
      follow_selection();
      break;
    case U'i':
      model_.set_io_waits_only(!model_.io_waits_only());
      follow_selection();
      break;
    case U'+':
      change_interval(/*longer=*/true);
      break;
    case U'-':
      change_interval(/*longer=*/false);
      break;
    case U'j':
      move_to(cursor_ + 1);
      break;
    case U'k':
      move_to(cursor_ - std::min<std::size_t>(cursor_, 1));
      break;
    case U'g':
      move_to(0);
      break;
    case U'G':
      move_to(model_.size());
      break;
    default:
      if (character >= U'1' && character <= U'9') {
        const auto names = view_names();
        const auto index = static_cast<std::size_t>(character - U'1');
        if (index < names.size()) {
          model_.set_view(*parse_view(names[index]));
          selected_.reset();
          move_to(0);
        }
      }
      break;
  }
}

void TopBrowser::press_while_typing(const TopKey& key) {
  switch (key.kind) {
    case Kind::kEnter:
      mode_ = Mode::kTable;
      return;
    case Kind::kEscape:
      mode_ = Mode::kTable;
      typed_ = filter_before_;
      break;
    case Kind::kBackspace:
      drop_last_character(typed_);
      break;
    case Kind::kCharacter:
      if (key.character < 0x20 || typed_.size() >= kMostTyped) return;
      append_utf8(typed_, key.character);
      break;
    default:
      return;
  }
  model_.set_filter(typed_);
  follow_selection();
}

void TopBrowser::change_view(int step) {
  std::vector<std::string> names = view_names();
  // A view by label has no place among the others but behind them, for as long as it is there.
  const std::string now = model_.view().name();
  const auto at = std::find(names.begin(), names.end(), now);
  const auto index = static_cast<std::ptrdiff_t>(at - names.begin());
  const auto size = static_cast<std::ptrdiff_t>(names.size());
  const std::ptrdiff_t next = at == names.end() ? (step > 0 ? 0 : size - 1) : (index + step + size) % size;
  model_.set_view(*parse_view(names[static_cast<std::size_t>(next)]));
  selected_.reset();
  move_to(0);
}

void TopBrowser::change_sort(int step) {
  const auto columns = sortable_columns(model_.view());
  const auto size = static_cast<std::ptrdiff_t>(columns.size());
  const auto at = std::find(columns.begin(), columns.end(), model_.sort().column) - columns.begin();
  const TopColumn next = columns[static_cast<std::size_t>((at % size + step + size) % size)];
  model_.set_sort({next, default_descending(next)});
  follow_selection();
}

void TopBrowser::change_interval(bool longer) {
  header_.clear();
  interval_ =
      std::clamp(longer ? interval_ * 2 : interval_ / 2, std::min(kShortest, interval_), std::max(kLongest, interval_));
}

void TopBrowser::open_details() {
  if (model_.size() == 0) return;
  mode_ = Mode::kDetails;
  scroll_ = 0;
  detailed_ = model_.item(cursor_).identity;
  peers_.forget();
  refresh_details();
}

void TopBrowser::refresh_details() {
  const auto rank = model_.rank_of(detailed_);
  detailed_gone_ = !rank;
  if (rank) details_ = details_of(model_, *rank, rules_, peers_);
}

ScreenLine TopBrowser::line(const std::string& text, std::size_t width, Style style, bool reverse) const {
  return {cell(text, width, Align::kLeft, /*cut_start=*/false, rules_), style, reverse};
}

std::string TopBrowser::status_text() const {
  std::string text = "by " + model_.view().name() + "  sort " + std::string(column_name(model_.sort().column)) +
                     (model_.sort().descending ? " (largest first)" : " (smallest first)");
  if (model_.io_waits_only()) text += "  IO waits only";
  if (!model_.filter().empty()) text += "  filter \"" + model_.filter() + "\"";
  const std::size_t last = std::min(first_ + page_, model_.size());
  text += "  " + (model_.size() == 0 ? std::string("0") : grouped(first_ + 1) + "-" + grouped(last)) + " of " +
          grouped(model_.size());
  if (model_.size() != model_.total()) text += " (" + grouped(model_.total()) + " in all)";
  return drawable(text, rules_);
}

std::string TopBrowser::footer_text() const {
  if (mode_ == Mode::kTyping) return "filter: " + drawable(typed_, rules_) + "_   Enter keeps it, Esc goes back";
  return "h help  / filter  s freeze  v view  <> sort  r reverse  Enter details  q quit";
}

// Until the next look, which does not come while frozen, since a view by thread reads no descriptors and stacks.
bool TopBrowser::is_shallow() const {
  return model_.sample() != nullptr && model_.sample()->depth < depth() && model_.sample()->has_goroutines();
}

std::string TopBrowser::why_empty() const {
  if (model_.sample() == nullptr) return "looking";
  if (model_.sample()->processes.empty()) return "there is no such process now; q leaves";
  if (is_shallow()) return frozen_ ? "frozen" : "looking";
  if (model_.total() > 0)
    return "no row has \"" + drawable(model_.filter(), rules_) + "\" in it; Esc clears the filter";
  if (needs_goroutines(model_.view()) && !model_.sample()->has_goroutines()) {
    return "there are no goroutines that can be read; v shows descriptors, peers and threads";
  }
  return "there is nothing to show by " + drawable(model_.view().name(), rules_);
}

std::vector<ScreenLine> TopBrowser::draw_table(std::size_t width, std::size_t height) {
  std::vector<ScreenLine> lines;
  const TopSample* sample = model_.sample();
  // On a small screen the rows are what matters.
  if (sample != nullptr && height >= 8) {
    if (header_.empty()) header_ = header_of(*sample, interval_, frozen_ ? "FROZEN" : ended_ ? "ENDED" : "", rules_);
    lines.push_back(line(header_[0], width, frozen_ || ended_ ? Style::kWarn : Style::kBold));
    for (std::size_t i = 1; i < header_.size(); ++i) lines.push_back(line(header_[i], width));
    if (!sample->notes.empty() && height >= 12) {
      const std::size_t more = sample->notes.size() - 1;
      const std::string text = more == 0 ? "" : " (and " + grouped(more) + " more: h)";
      lines.push_back(line(drawable(sample->notes.front(), rules_) + text, width, Style::kWarn));
    }
  }
  if (frozen_ && is_shallow() && height >= 8) {
    lines.push_back(line("this look read no descriptors and stacks: s takes the next", width, Style::kWarn));
  }
  const bool status = height >= 4, footer = height >= 3 || mode_ == Mode::kTyping;
  const std::size_t status_at = lines.size();
  if (status) lines.emplace_back();
  const TopTable table(model_, width, sample != nullptr && sample->processes.size() > 1, rules_);
  if (height >= 2) lines.push_back(line(table.heading(), width, Style::kPlain, /*reverse=*/true));

  const std::size_t taken = lines.size() + (footer ? 1 : 0);
  page_ = height > taken ? height - taken : 1;
  if (cursor_ < first_) first_ = cursor_;
  if (cursor_ >= first_ + page_) first_ = cursor_ - page_ + 1;
  first_ = std::min(first_, model_.size() > page_ ? model_.size() - page_ : 0);
  if (model_.size() == 0) lines.push_back(line(why_empty(), width, Style::kDim));
  for (std::size_t rank = first_; rank < std::min(first_ + page_, model_.size()); ++rank) {
    const bool wrong = !model_.row(rank).remark.empty();
    lines.push_back(line(table.line(rank), width, wrong ? Style::kWarn : Style::kPlain, rank == cursor_));
  }
  if (status) lines[status_at] = line(status_text(), width);
  lines.resize(height > (footer ? 1U : 0U) ? height - (footer ? 1U : 0U) : 0U, line("", width));
  if (footer) lines.push_back(line(footer_text(), width, Style::kBold));
  lines.resize(height, line("", width));
  return lines;
}

std::vector<ScreenLine> TopBrowser::draw_text(const std::vector<std::string>& text, std::size_t width,
                                              std::size_t height, const std::string& title) {
  std::vector<ScreenLine> lines;
  lines.push_back(line(title, width, Style::kPlain, /*reverse=*/true));
  page_ = height > 2 ? height - 2 : 1;
  scroll_ = std::min(scroll_, text.size() > page_ ? text.size() - page_ : 0);
  for (std::size_t i = scroll_; i < std::min(scroll_ + page_, text.size()); ++i) lines.push_back(line(text[i], width));
  lines.resize(std::max<std::size_t>(height, 1) - 1, line("", width));
  const std::size_t last = std::min(scroll_ + page_, text.size());
  lines.push_back(line("lines " + std::to_string(scroll_ + 1) + "-" + std::to_string(last) + " of " +
                           std::to_string(text.size()) + "   arrows scroll, any other key goes back",
                       width, Style::kBold));
  lines.resize(height, line("", width));
  return lines;
}

std::vector<std::string> TopBrowser::help_lines() const {
  std::vector<std::string> lines = {
      "keys",
      "  up, down, j, k      move; the chosen row is followed when rows change places",
      "  PgUp, PgDn, g, G    a page, to the first row, to the last",
      "  Enter               details of the row: connection, peer process, stack, history",
      "  /                   filter: rows with this text in them; Esc clears it",
      "  v, V, 1 to 8        next view, the one before, or by number:",
      "                      goroutine, peer, fd, stack, func, state, thread, process",
      "  <, >, r             sort by the column to the left, to the right; reverse",
      "  i                   goroutines in IO wait only, or all",
      "  s, blank            freeze: no look while you look around",
      "  +, -                look half as often, twice as often",
      "  Ctrl-L              draw the screen anew",
      "  q, Ctrl-C           leave",
      "",
      "columns",
      "  WAIT    since it parked; + where the runtime knows a least time only (Go)",
      "  DELTA   change since the look before: of the wait by goroutine, of the bytes",
      "          in both queues by fd, of CPU by thread and process, else of the count",
      "  TREND   the same figure at the last looks, the highest as a full column",
      "  RECVQ   bytes that have come and nobody has read",
      "  SENDQ   bytes that the peer has not acknowledged, or taken",
      "  CPU%    of one CPU",
  };
  if (model_.sample() != nullptr && !model_.sample()->notes.empty()) {
    lines.insert(lines.end(), {"", "notes"});
    for (const std::string& note : model_.sample()->notes) lines.push_back("  " + drawable(note, rules_));
  }
  return lines;
}

std::vector<ScreenLine> TopBrowser::draw(std::size_t width, std::size_t height) {
  if (width == 0 || height == 0) return {};
  if (mode_ == Mode::kHelp) return draw_text(help_lines(), width, height, "netpoll-trace top: help");
  if (mode_ == Mode::kDetails) {
    const std::string title =
        std::string("details") + (detailed_gone_ ? " (gone: as it was last)" : "") + (frozen_ ? " (frozen)" : "");
    return draw_text(details_, width, height, title);
  }
  return draw_table(width, height);
}

}  // namespace netpoll::cli
