// Terminal: the whole screen of a terminal for as long as this lives. The only door to ncurses.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <vector>

#include "cli/top/browser.h"
#include "cli/top/text.h"
#include "netpoll/result.h"

namespace netpoll::cli {

// At most one exists at a time: screen, signals and locale belong to the process. While it lives, SIGWINCH and SIGTSTP
// are delivered in wait() alone, to the thread that opened it; start other threads after that. Standard input and
// output are the terminal, which is left as it was found: by the destructor, by a signal that ends the process at once,
// when the process crashes, and while it is stopped (Ctrl-Z).
class Terminal {
 public:
  // kInvalid: standard input or output is no terminal.
  static Result<void> check();
  // Errors: those of check(). kNotSupported: TERM names none that we know, or one without a movable cursor.
  static Result<std::unique_ptr<Terminal>> open(bool color);
  ~Terminal();
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  TextRules rules() const { return rules_; }
  std::size_t width() const;
  std::size_t height() const;

  // Sends what differs from what is there. A terminal that does not take it, as after Ctrl-S, makes it wait.
  void show(const std::vector<ScreenLine>& drawn);
  // Everything anew with the next show(): something else wrote to the terminal.
  void redraw();

  enum class Woken { kKey, kOther, kGone };
  // Until there is a key, one of fds is readable, the screen has another size or was given back (kOther), or timeout_ms
  // (-1: none) passed (kOther too). kGone: there is no terminal any more.
  Woken wait(const std::vector<int>& fds, int timeout_ms);
  // The next key that was pressed; nothing: no more, or one that we do not know.
  struct Pressed {
    bool any = false;
    std::optional<TopKey> key;
    bool redraw = false;  // Ctrl-L
  };
  Pressed next_key();

 private:
  explicit Terminal(bool color) : color_(color) {}
  Result<void> begin();

  bool color_;
  TextRules rules_;
  bool begun_ = false;
};

}  // namespace netpoll::cli
