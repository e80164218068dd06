// Log: everything that is not the result. Goes to standard error, one line a message, said by whom it is for:
// error and hint (the user's next step), warning, note (silenced by -q), detail (asked for by -v).
#pragma once

#include <string>
#include <string_view>

#include "netpoll/error.h"

namespace netpoll::cli {

enum class ColorChoice { kAuto, kAlways, kNever };

// Whether to colour what goes to fd: --color decides, then NO_COLOR (no-color.org: set and not empty means no), then
// whether fd is a terminal.
bool use_color(ColorChoice choice, int fd);

// Foreign bytes in messages are made printable. Not thread-safe.
class Log {
 public:
  void configure(bool quiet, bool verbose, ColorChoice color);
  bool verbose() const { return verbose_; }

  void error(const Error& error);
  void error(std::string_view message, std::string_view hint = {});
  void warning(std::string_view message, std::string_view hint = {});
  void note(std::string_view message);
  void detail(std::string_view message);
  // An answer that the user waits for, such as the pid of a server just started. Neither -q nor a pipe silences it.
  void answer(std::string_view message);

  // One line that is overwritten by the next message or progress; shown only on a terminal and without -q.
  void progress(std::string_view line);
  void clear_progress();

 private:
  void line(std::string_view label, std::string_view code, std::string_view message);

  bool quiet_ = false;
  bool verbose_ = false;
  bool color_ = false;
  bool progress_shown_ = false;
};

}  // namespace netpoll::cli
