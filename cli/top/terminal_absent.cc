// Stands in for terminal.cc where ncurses is missing: there is no screen, and top writes tables.
#include "cli/top/terminal.h"

namespace netpoll::cli {

Result<void> Terminal::check() {
  return Error(ErrorKind::kNotSupported, "this build has no screen: ncurses was missing")
      .with_hint("netpoll-trace top -b writes one table after the other, --json documents");
}

Result<std::unique_ptr<Terminal>> Terminal::open(bool /*color*/) { return check().error(); }
Terminal::~Terminal() = default;

std::size_t Terminal::width() const { return 0; }
std::size_t Terminal::height() const { return 0; }
void Terminal::show(const std::vector<ScreenLine>& /*drawn*/) {}
void Terminal::redraw() {}
Terminal::Woken Terminal::wait(const std::vector<int>& /*fds*/, int /*timeout_ms*/) { return Woken::kGone; }
Terminal::Pressed Terminal::next_key() { return {}; }

}  // namespace netpoll::cli
