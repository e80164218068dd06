// TopBrowser: what a person does with a model and sees of it: keys in, lines out. Knows no terminal.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cli/top/details.h"
#include "cli/top/model.h"
#include "cli/top/text.h"
#include "exporters/text.h"

namespace netpoll::cli {

struct TopKey {
  enum class Kind : std::uint8_t {
    kCharacter,
    kUp,
    kDown,
    kPageUp,
    kPageDown,
    kHome,
    kEnd,
    kEnter,
    kEscape,
    kBackspace,
    kTab,
    kBackTab,
    kHelp
  };
  Kind kind = Kind::kCharacter;
  char32_t character = 0;  // of kCharacter
};

struct ScreenLine {
  std::string text;  // exactly as wide as the screen
  exporters::Style style = exporters::Style::kPlain;
  bool reverse = false;
};

// One thread, which is also that of find_peers.
class TopBrowser {
 public:
  TopBrowser(TopModel& model, std::chrono::nanoseconds interval, TextRules rules, PeerFinder find_peers)
      : model_(model), interval_(interval), rules_(rules), peers_(std::move(find_peers)) {}

  void take(std::shared_ptr<const TopSample> sample);
  // False: the person wants to leave.
  bool press(const TopKey& key);
  // As many lines as the screen has, which may be as small as one by one.
  std::vector<ScreenLine> draw(std::size_t width, std::size_t height);

  bool frozen() const { return frozen_; }
  std::chrono::nanoseconds interval() const { return interval_; }
  // What the next look has to have.
  TopDepth depth() const { return mode_ == Mode::kDetails ? TopDepth::kAll : depth_of(model_.view()); }

 private:
  enum class Mode : std::uint8_t { kTable, kTyping, kDetails, kHelp };

  bool press_in_table(const TopKey& key);
  void press_command(char32_t character);
  void press_while_typing(const TopKey& key);
  bool scroll(const TopKey& key);  // of details and help
  void move_to(std::size_t rank);
  void follow_selection();
  void change_view(int step);
  void change_sort(int step);
  void change_interval(bool longer);
  void open_details();
  void refresh_details();
  void set_frozen(bool frozen);

  std::vector<ScreenLine> draw_table(std::size_t width, std::size_t height);
  std::vector<ScreenLine> draw_text(const std::vector<std::string>& lines, std::size_t width, std::size_t height,
                                    const std::string& title);
  bool is_shallow() const;
  std::string status_text() const;
  std::string footer_text() const;
  std::string why_empty() const;
  std::vector<std::string> help_lines() const;
  ScreenLine line(const std::string& text, std::size_t width, exporters::Style style = exporters::Style::kPlain,
                  bool reverse = false) const;

  TopModel& model_;
  std::chrono::nanoseconds interval_;
  TextRules rules_;
  RowPeers peers_;  // of the row in details_
  Mode mode_ = Mode::kTable;
  bool frozen_ = false;
  bool ended_ = false;                        // every process
  std::shared_ptr<const TopSample> waiting_;  // came while the screen was frozen
  std::vector<std::string> header_;           // of the sample; empty: to be made
  std::size_t cursor_ = 0;                    // rank of the selected row
  std::optional<RowIdentity> selected_;       // that was chosen, and is followed when rows change places
  std::size_t first_ = 0;                     // rank of the first row on the screen
  std::size_t page_ = 1;                      // rows that the screen had
  std::string typed_;                         // the filter, while it is typed
  std::string filter_before_;
  RowIdentity detailed_;
  bool detailed_gone_ = false;
  std::vector<std::string> details_;
  std::size_t scroll_ = 0;
};

}  // namespace netpoll::cli
